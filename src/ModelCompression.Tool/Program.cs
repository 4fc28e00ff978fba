using ModelCompression.Pipeline;
using ModelCompression.Tool.Commands;

if (args is ["build", { } requestFile])
    return BuildCommand.Run(requestFile.TrimStart('@'), (request, report, cancellation) => new CompressionPipeline(report).Run(request, cancellation));
Console.Error.WriteLine("usage: modelcompress build REQUEST");
return 2;
