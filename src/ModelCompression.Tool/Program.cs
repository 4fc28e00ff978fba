using ModelCompression.Pipeline;
using ModelCompression.Tool.Commands;

// The build verb runs in every build that has something to compress: it is dispatched before anything that costs start-up time.
return args is ["build", var request]
    ? BuildCommand.Run(request, (model, report, cancellation) => new CompressionPipeline(report).Run(model, cancellation))
    : 2;
