using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline;

/// <summary>
/// Judges models with the user's own program (<c>MetricCommand</c>): it gets the path of a model and prints one line of JSON, <c>{"metric": 0.93}</c>. More members say more:
/// <c>"name"</c> is what reports call it, <c>"lowerIsBetter": true</c> turns its direction, <c>"samples"</c> counts.
/// </summary>
/// <param name="command">Command line for the system's shell. <c>{model}</c> stands for the quoted path; without it the path is appended.</param>
/// <param name="folder">Working directory: the project's folder.</param>
/// <param name="timeLimit">When to end it and everything it started.</param>
internal sealed class MetricProgram(string command, string folder, TimeSpan timeLimit)
{
    private const string Placeholder = "{model}";
    private const int ShownCharacters = 300;

    private static readonly TimeSpan DefaultTimeLimit = TimeSpan.FromMinutes(10);

    /// <summary>The program that the options name, or null.</summary>
    /// <param name="options">Options.</param>
    /// <param name="folder">Working directory.</param>
    public static MetricProgram? Of(CompressionOptions options, string folder) => options.MetricCommand is { } command ? new(command, folder, options.MetricTimeLimit ?? DefaultTimeLimit) : null;

    /// <summary>Runs the program on both models.</summary>
    /// <exception cref="DiagnosticException">MCB5030: it failed. MCB5031: it printed no metric. MCB5032: it took too long.</exception>
    public ValidationFigures Evaluate(string originalPath, string compressedPath, CancellationToken cancellation)
    {
        var original = Run(originalPath, cancellation);
        var compressed = Run(compressedPath, cancellation);
        return new()
        {
            Metric = compressed.Name,
            Samples = compressed.Samples,
            Original = original.Metric,
            Compressed = compressed.Metric,
            Drop = compressed.LowerIsBetter ? compressed.Metric - original.Metric : original.Metric - compressed.Metric,
            LowerIsBetter = compressed.LowerIsBetter,
            Passed = true,
        };
    }

    /// <summary>Files that a command line names: a change of any makes earlier results stale.</summary>
    public static IReadOnlyList<string> FilesOf(string command, string folder) =>
        [.. command.Split([' ', '\t', '"', '\'', '=', ';', '|', '&', '<', '>'], StringSplitOptions.RemoveEmptyEntries).Where(token => token != Placeholder)
            .Select(token => Path.GetFullPath(Path.Combine(folder, token))).Where(File.Exists).Distinct(StringComparer.Ordinal)];

    /// <summary>Runs the program on one model.</summary>
    /// <exception cref="DiagnosticException">As above.</exception>
    public MetricAnswer Run(string modelPath, CancellationToken cancellation)
    {
        using var process = Start(modelPath);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        ended.CancelAfter(timeLimit);
        using var kill = ended.Token.Register(() => Kill(process));
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        process.WaitForExit();
        string said = output.GetAwaiter().GetResult(), complained = error.GetAwaiter().GetResult();
        cancellation.ThrowIfCancellationRequested();
        if (ended.IsCancellationRequested)
            throw new DiagnosticException("MCB5032", FormattableString.Invariant($"MetricCommand did not end within {timeLimit.TotalSeconds:0} s on '{Path.GetFileName(modelPath)}' and was stopped. Make it faster, or raise MetricTimeLimit."));
        if (process.ExitCode != 0)
            throw new DiagnosticException("MCB5030", FormattableString.Invariant($"MetricCommand ended with exit code {process.ExitCode} on '{Path.GetFileName(modelPath)}': {LastLine(complained) ?? LastLine(said) ?? "it printed nothing"}. Run it by hand: {CommandFor(modelPath)}"));
        return Parse(said);
    }

    private Process Start(string modelPath)
    {
        var start = OperatingSystem.IsWindows() ? new ProcessStartInfo("cmd.exe") { Arguments = "/d /s /c \"" + CommandFor(modelPath) + "\"" } : new ProcessStartInfo("/bin/sh", ["-c", CommandFor(modelPath)]);
        start.WorkingDirectory = folder;
        start.UseShellExecute = false;
        start.RedirectStandardOutput = start.RedirectStandardError = start.RedirectStandardInput = true;
        start.StandardOutputEncoding = start.StandardErrorEncoding = Encoding.UTF8;
        try
        {
            var process = Process.Start(start)!;
            process.StandardInput.Close();
            return process;
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            throw new DiagnosticException("MCB5030", $"MetricCommand cannot be started: {e.Message}.", e);
        }
    }

    private string CommandFor(string modelPath)
    {
        string quoted = OperatingSystem.IsWindows() ? $"\"{modelPath}\"" : $"'{modelPath.Replace("'", "'\\''", StringComparison.Ordinal)}'";
        return command.Contains(Placeholder, StringComparison.Ordinal) ? command.Replace(Placeholder, quoted, StringComparison.Ordinal) : $"{command} {quoted}";
    }

    private static MetricAnswer Parse(string output)
    {
        string? line = output.Split('\n').Select(l => l.Trim()).LastOrDefault(l => l.StartsWith('{'));
        string reason = "no line of JSON";
        try
        {
            if (line is not null)
            {
                using var json = JsonDocument.Parse(line);
                var root = json.RootElement;
                if (root.TryGetProperty("metric", out var metric) && metric.ValueKind == JsonValueKind.Number && double.IsFinite(metric.GetDouble()))
                {
                    return new(
                        metric.GetDouble(),
                        root.TryGetProperty("name", out var name) && name.ValueKind == JsonValueKind.String && name.GetString()!.Length > 0 ? name.GetString()! : "MetricCommand",
                        root.TryGetProperty("lowerIsBetter", out var lower) && lower.ValueKind == JsonValueKind.True,
                        root.TryGetProperty("samples", out var samples) && samples.TryGetInt32(out int count) ? count : 0);
                }

                reason = "no finite number \"metric\"";
            }
        }
        catch (JsonException)
        {
            reason = "a line that is not JSON";
        }

        throw new DiagnosticException("MCB5031", $"MetricCommand printed {reason}; expected one line such as {{\"metric\": 0.93}}. It printed: {LastLine(output) ?? "nothing"}");
    }

    private static string? LastLine(string text) =>
        text.Split('\n').Select(l => l.Trim()).LastOrDefault(l => l.Length > 0) is { } line ? line.Length <= ShownCharacters ? line : line[..ShownCharacters] + "…" : null;

    private static void Kill(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It has just ended.
        }
    }
}

/// <summary>What a metric program said of a model.</summary>
/// <param name="Metric">The metric.</param>
/// <param name="Name">What reports call it.</param>
/// <param name="LowerIsBetter">True for errors.</param>
/// <param name="Samples">Samples it judged; 0 when it does not say.</param>
internal sealed record MetricAnswer(double Metric, string Name, bool LowerIsBetter, int Samples);
