using System.IO;
using ModelCompression.Build.Diagnostics;
using ModelCompression.Build.Items;
using ModelCompression.Build.Worker;

namespace ModelCompression.Build.State;

/// <summary>
/// A warning that came with a result. It holds as long as the result does, so every build repeats it: otherwise a warning that was made an error
/// would fail one build and let the next one pass.
/// </summary>
/// <param name="code">Such as <c>MCB4045</c>.</param>
/// <param name="file">Relative to the project where possible, or empty.</param>
/// <param name="line">From 1, or 0.</param>
/// <param name="column">From 1, or 0.</param>
/// <param name="text">The message.</param>
internal sealed class WarningRecord(string code, string file, int line, int column, string text)
{
    public string Code { get; } = code;

    public string File { get; } = file;

    public int Line { get; } = line;

    public int Column { get; } = column;

    public string Text { get; } = text;

    /// <summary>Reads a line of the worker; null when it is no warning.</summary>
    public static WarningRecord? TryParse(string line, string projectDirectory)
    {
        var parsed = CanonicalLine.TryParse(line);
        if (parsed?.Severity != "warning") return null;
        var file = parsed.File.Length == 0 ? "" : PathText.Relative(projectDirectory, parsed.File);
        return new WarningRecord(parsed.Code, file, parsed.Line, parsed.Column, parsed.Text);
    }

    public void Log(DiagnosticLog log, string projectDirectory) =>
        log.Warning(Code, File.Length == 0 ? "" : Path.GetFullPath(Path.Combine(projectDirectory, File)), Line, Column, Text);
}
