using System.CommandLine;
using System.CommandLine.Help;
using System.Runtime.CompilerServices;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Runtime;
using ModelCompression.Tool.Commands;
using ModelCompression.Tool.Display;

namespace ModelCompression.Tool.CommandLine;

/// <summary>The command line for people. Kept apart from <c>Program</c>, so that a build does not load what only people need.</summary>
internal static class ToolCommandLine
{
    /// <summary>
    /// How verbs run. Work that is cancelled ends at its next step, and takes what it has written with it; the library's own two seconds are over before a step of a large model is,
    /// and the process would leave with the staging folder still there.
    /// </summary>
    internal static InvocationConfiguration Invocation => new() { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = TimeSpan.FromSeconds(30) };

    /// <summary>Runs a command line.</summary>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Run(string[] args)
    {
        StandardStreams.Guard();
        var result = Create().Parse(args);
        if (result.Errors.Count > 0)
        {
            foreach (var error in result.Errors) Console.Error.WriteLine($"error MCB1009: {error.Message}");
            Console.Error.WriteLine("'dotnet modelcompress --help' shows the commands, 'dotnet modelcompress COMMAND --help' their options.");
            return ExitCodes.WrongUsage;
        }

        try
        {
            return result.InvokeAsync(Invocation).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            return ExitCodes.Cancelled;
        }
        catch (Exception e)
        {
            var error = EnvironmentError.Of(e) ?? (e as DiagnosticException)?.Diagnostic ?? Unexpected(e);
            DiagnosticPrinter.Print(error);
            return ExitCodes.Of(error);
        }
    }

    private static Diagnostic Unexpected(Exception e)
    {
        string message = e.Message.ReplaceLineEndings(" ").Trim();
        return e is IOException or UnauthorizedAccessException
            ? Diagnostic.Error("MCB4010", message)
            : Diagnostic.Error("MCB4099", $"The command failed by a defect of the tool ({e.GetType().Name}: {message}). Please report it with the command line and the model.");
    }

    /// <summary>All verbs; <c>build</c> is not among them, since only builds use it.</summary>
    internal static RootCommand Create()
    {
        var root = new RootCommand("Compresses, inspects and compares ONNX models.")
        {
            CompressCommand.Create(),
            InspectCommand.Create(),
            CompareCommand.Create(),
            SensitivityCommand.Create(),
#if !NATIVE_WORKER
            ProjectCommand.Create(),
#endif
            VerifyCommand.Create(),
            CompletionCommand.Create(),
        };
        foreach (var help in root.Options.OfType<HelpOption>()) help.Action = new HelpWithExamples((HelpAction)help.Action!);
        return root;
    }

    /// <summary>Runs a verb's work away from the thread that listens for Ctrl+C.</summary>
    internal static void SetWork(this Command command, Func<ParseResult, CancellationToken, int> work) =>
        command.SetAction((parsed, cancellation) => Task.Run(() => work(parsed, cancellation), CancellationToken.None));
}
