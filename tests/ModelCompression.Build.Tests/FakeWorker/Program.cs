using ModelCompression.FakeWorker;

// The log is how a test counts launches; the line is written before anything can go wrong.
return new Worker(args).Run();
