using System.CommandLine;
using ModelCompression.Tool.Commands;

// The build verb runs in every build that has something to compress: it is dispatched before anything that costs start-up time.
if (args is ["build", { } requestFile])
    return BuildCommand.Run(requestFile.TrimStart('@'));

var root = new RootCommand("Compresses ONNX models.") { CompressCommand.Create() };
var result = root.Parse(args);
if (result.Errors.Count > 0)
{
    foreach (var error in result.Errors) Console.Error.WriteLine($"error MCB1009: {error.Message}");
    Console.Error.WriteLine("'dotnet modelcompress --help' shows the commands, 'dotnet modelcompress COMMAND --help' their options.");
    return 2;
}

try
{
    return await result.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (OperationCanceledException)
{
    return 130;
}
