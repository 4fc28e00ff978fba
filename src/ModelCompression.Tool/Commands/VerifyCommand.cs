using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using ModelCompression.Pipeline.Locking;
using ModelCompression.Tool.CommandLine;
using ModelCompression.Tool.Display;
using Spectre.Console;

namespace ModelCompression.Tool.Commands;

/// <summary><c>verify LOCKFILE</c>: compares published files with a lock file.</summary>
internal static class VerifyCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("LOCKFILE") { Description = "The lock file." }.NotEmpty();
        var folder = new Option<string?>("--folder", "-f") { Description = "The folder with the results, such as a publish folder. Without it: the sources, the data, and every copy of a result in the projects' bin folders." }.NotEmpty();
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var command = new Command("verify", "Checks files against a lock file; compresses nothing.") { file, folder, json };
        command.SetWork((parsed, _) =>
        {
            string path = Path.GetFullPath(parsed.GetValue(file)!);
            var checks = parsed.GetValue(folder) is { } published ? LockVerification.CheckResults(path, Path.GetFullPath(published)) : LockVerification.CheckProjects(path);
            bool passed = checks.All(c => c.Passed);
            if (parsed.GetValue(json)) Console.Out.WriteLine(JsonSerializer.Serialize(new Verification(passed, checks), VerificationJson.Readable.Verification));
            else Show(checks);
            return passed ? ExitCodes.Success : ExitCodes.Failed;
        });
        return command;
    }

    private static void Show(IReadOnlyList<LockCheck> checks)
    {
        var console = ResultConsole.Create();
        foreach (var check in checks) console.WriteLine($"{(check.Passed ? "ok    " : "WRONG ")} {check.Kind} {check.File}{(check.Passed ? "" : ": " + check.Problem)}");
        int wrong = checks.Count(c => !c.Passed);
        console.WriteLine(wrong == 0 ? $"{checks.Count} files are as locked." : $"{wrong} of {checks.Count} files are not as locked.");
    }
}

/// <summary>The answer as JSON.</summary>
internal sealed record Verification(bool Passed, IReadOnlyList<LockCheck> Checks);

/// <summary>Generated serialization.</summary>
[JsonSerializable(typeof(Verification))]
internal sealed partial class VerificationJson : JsonSerializerContext
{
    /// <summary>For people and programs.</summary>
    public static VerificationJson Readable { get; } = new(new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true, NewLine = "\n" });
}
