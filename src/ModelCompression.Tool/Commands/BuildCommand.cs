using System.Runtime.InteropServices;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Pipeline;
using ModelCompression.Tool.Protocol;

namespace ModelCompression.Tool.Commands;

/// <summary>Compresses one model. Reports what is wrong with it instead of throwing.</summary>
internal delegate CompressionOutcome CompressModel(CompressionRequest request, Action<Diagnostic> report, CancellationToken cancellation);

/// <summary>The verb of builds: works through a request file, answers in a response file, and talks on standard output.</summary>
internal sealed class BuildCommand
{
    private const int Success = 0;
    private const int SomeFailed = 1;
    private const int WrongUsage = 2;
    private const int Cancelled = 130;

    private readonly BuildRequest _request;
    private readonly CompressModel _compress;
    private readonly ProtocolOutput _output;
    private readonly CancellationToken _cancellation;
    private readonly ResponseFile _response;

    private BuildCommand(BuildRequest request, CompressModel compress, ProtocolOutput output, CancellationToken cancellation)
    {
        _request = request;
        _compress = compress;
        _output = output;
        _cancellation = cancellation;
        _response = new ResponseFile(request.ResponseFile, ToolVersion.Current);
    }

    /// <summary>Runs the command as the process: standard output, signals and the parent are its own.</summary>
    /// <returns>The exit code; other than 0 only after at least one coded error, or when cancelled.</returns>
    public static int Run(string requestFile)
    {
        _ = HeadStart.Begin();
        using var cancellation = new CancellationTokenSource();
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var standardOutput = Console.OpenStandardOutput();
        var output = new ProtocolOutput(standardOutput, cancellation.Cancel);
        if (Read(requestFile, output) is not { } request) return WrongUsage;
        ParentWatch.Start(request.ParentProcessId, cancellation.Cancel, () => Sweep(request));
        using var engine = new BuildEngine(request);
        int exitCode = Run(request, engine.Compress, output, cancellation.Token);
        IndexPage.Update(request);
        return exitCode;

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            cancellation.Cancel();
        }
    }

    /// <summary>Works through a request.</summary>
    public static int Run(BuildRequest request, CompressModel compress, ProtocolOutput output, CancellationToken cancellation) =>
        new BuildCommand(request, compress, output, cancellation).RunAll();

    /// <summary>Reads a request; null after an error was written.</summary>
    public static BuildRequest? Read(string requestFile, ProtocolOutput output)
    {
        try
        {
            var request = RequestReader.Read(File.ReadAllText(requestFile));
            if (request.ProtocolVersion == BuildRequest.SupportedVersion) return request;
            Fail($"the request is of protocol version {request.ProtocolVersion}, this compressor speaks version {BuildRequest.SupportedVersion}; use the compressor that belongs to the build package");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            Fail($"the request cannot be read: {e.Message}; the build package writes it, see docs/worker-protocol.md");
        }

        return null;

        void Fail(string message) => output.WriteLine(ProtocolOutput.Canonical(Diagnostic.Error("MCB9057", message), requestFile, 0, 0));
    }

    private int RunAll()
    {
        bool failed = false;
        foreach (var model in _request.Models)
        {
            try
            {
                _cancellation.ThrowIfCancellationRequested();
                _response.Start(model.Identity);
                var answer = Compress(model);
                failed |= answer.Status == "failed";
                _response.Finish(answer);
            }
            catch (OperationCanceledException)
            {
                return Cancelled;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                _output.Write(Diagnostic.Error("MCB9055", $"'{model.Output}' cannot be written: {e.Message}; make the folder writable, free space on the disk, or set ModelCompressionOutputPath to another folder"), model);
                return SomeFailed;
            }
        }

        return failed ? SomeFailed : Success;
    }

    private AnsweredModel Compress(RequestedModel model)
    {
        bool reportedError = false;
        var warnings = new List<string>();
        var outcome = _compress(EngineRequest.From(model, _request), Report, _cancellation);
        if (outcome.Status == CompressionStatus.Failed)
        {
            if (!reportedError) Report(Diagnostic.Error("MCB9058", $"'{model.Identity}' was not compressed and no reason was given; please report this with the model"));
            return new AnsweredModel { Identity = model.Identity, Output = model.Output, Status = "failed" };
        }

        var answer = EngineRequest.Answer(model, outcome) with { Warnings = warnings };
        if (answer.Summary.Length > 0) _output.WriteLine(outcome.FromCache ? answer.Summary + ", from the cache" : answer.Summary);
        return answer;

        void Report(Diagnostic diagnostic)
        {
            reportedError |= diagnostic.Severity == DiagnosticSeverity.Error;
            string line = _output.Write(diagnostic, model);
            // What the surroundings lacked (a cache, for example) says nothing about the result.
            bool aboutResult = !diagnostic.Code.StartsWith("MCB9", StringComparison.Ordinal);
            if (diagnostic.Severity == DiagnosticSeverity.Warning && aboutResult) warnings.Add(line);
        }
    }

    /// <summary>Removes what a model that could not be stopped was writing.</summary>
    private static void Sweep(BuildRequest request)
    {
        foreach (var model in request.Models)
        {
            try
            {
                if (Directory.Exists(model.Output + ".staging")) Directory.Delete(model.Output + ".staging", recursive: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The next build sweeps it.
            }
        }

        File.Delete(request.ResponseFile);
    }
}
