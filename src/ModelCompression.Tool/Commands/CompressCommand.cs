using System.CommandLine;
using System.Text;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Reports;

namespace ModelCompression.Tool.Commands;

/// <summary><c>compress IN -o OUT [options]</c>: what a build does with one item, without a build.</summary>
internal static class CompressCommand
{
    private const int Success = 0;
    private const int Failed = 1;

    public static Command Create()
    {
        var source = new Argument<string>("IN") { Description = "The ONNX model." };
        var output = new Option<string>("--output", "-o") { Description = "Where the compressed model goes.", Required = true };
        var json = new Option<bool>("--json") { Description = "Print the report as JSON." };
        var latency = new Option<bool>("--latency") { Description = "Measure the latency of both models." };
        var threads = new Option<int>("--threads") { Description = "Most threads to use.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var settings = OptionSchema.All.ToDictionary(d => d, d => new Option<string?>("--" + d.KebabName)
        {
            Description = $"{d.Meaning} Values: {d.Allowed}.{(d.Default.Length > 0 ? $" Default: {d.Default}." : "")}",
            HelpName = d.Kind.ToString().ToLowerInvariant(),
        });
        var command = new Command("compress", "Compresses a model; the same engine and options as CompressModel items of a project.") { source, output, json, latency, threads };
        foreach (var option in settings.Values) command.Options.Add(option);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(
            new CompressionRequest
            {
                SourcePath = Path.GetFullPath(parsed.GetValue(source)!),
                Identity = Identity(parsed.GetValue(source)!),
                OutputPath = Path.GetFullPath(parsed.GetValue(output)!),
                Item = new SettingsSource("The command line", Texts(settings, parsed)),
                WrittenPaths = Written(settings, parsed),
                Reports = [],
                Threads = Math.Max(1, parsed.GetValue(threads)),
                MeasureLatency = parsed.GetValue(latency),
            },
            parsed.GetValue(json),
            cancellation)));
        return command;
    }

    private static int Run(CompressionRequest request, bool json, CancellationToken cancellation)
    {
        if (Path.GetFullPath(request.SourcePath) == request.OutputPath)
        {
            Print(Diagnostic.Error("MCB1008", "IN and OUT are the same file; the source is never changed. Give another output with -o."));
            return 2;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(request.OutputPath)!);
        var outcome = new CompressionPipeline(Print).Run(request, cancellation);
        if (outcome.Report is not { } report) return Failed;
        Console.Out.WriteLine(json ? Encoding.UTF8.GetString(JsonReport.Serialize(report)).TrimEnd() : SummaryLine.Format(report));
        return Success;
    }

    /// <summary>Diagnostics go to standard error, so that standard output holds the result alone.</summary>
    private static void Print(Diagnostic diagnostic)
    {
        string severity = diagnostic.Severity switch { DiagnosticSeverity.Error => "error", DiagnosticSeverity.Warning => "warning", _ => "message" };
        Console.Error.WriteLine($"{(diagnostic.File is null ? "" : diagnostic.File + ": ")}{severity} {diagnostic.Code}: {diagnostic.Message}");
    }

    private static string Identity(string path) => Path.IsPathRooted(path) ? Path.GetFileName(path) : path.Replace('\\', '/');

    private static Dictionary<string, string> Texts(Dictionary<OptionDefinition, Option<string?>> settings, ParseResult parsed)
    {
        var texts = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (definition, option) in settings)
        {
            if (parsed.GetValue(option) is not { } text) continue;
            texts[definition.Name] = definition.Kind == OptionKind.Data
                ? string.Join(';', text.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(Path.GetFullPath))
                : text;
        }

        return texts;
    }

    private static Dictionary<string, string> Written(Dictionary<OptionDefinition, Option<string?>> settings, ParseResult parsed) =>
        settings.Where(s => s.Key.Kind == OptionKind.Data && parsed.GetValue(s.Value) is not null).ToDictionary(s => s.Key.Name, s => parsed.GetValue(s.Value)!);
}
