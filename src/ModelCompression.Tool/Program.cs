using ModelCompression.Runtime;
using ModelCompression.Tool.CommandLine;
using ModelCompression.Tool.Commands;

OrtEnvironment.ForbidTelemetry();

// The build verb runs in every build that has something to compress: it is dispatched before anything that costs start-up time.
return ProcessEnd.Now(args is ["build", { } requestFile] ? BuildCommand.Run(requestFile.TrimStart('@')) : ToolCommandLine.Run(args));
