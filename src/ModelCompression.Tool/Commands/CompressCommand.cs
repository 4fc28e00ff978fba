using System.CommandLine;
using System.Text;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Reports;
using ModelCompression.Tool.CommandLine;
using ModelCompression.Tool.Display;

namespace ModelCompression.Tool.Commands;

/// <summary><c>compress IN -o OUT [options]</c>: what a build does with one item, without a build.</summary>
internal static class CompressCommand
{
    public static Command Create()
    {
        var source = new Argument<string>("IN") { Description = "The ONNX model." }.NotEmpty();
        var output = new Option<string>("--output", "-o") { Description = "Where the compressed model goes.", Required = true }.NotEmpty();
        var json = new Option<bool>("--json") { Description = "Print the report as JSON." };
        var latency = new Option<bool>("--latency") { Description = "Measure the latency of both models." };
        var threads = new Option<int>("--threads") { Description = "Most threads to use.", DefaultValueFactory = _ => Environment.ProcessorCount }.AtLeastOne();
        var settings = OptionSchema.All.ToDictionary(d => d, d => new Option<string?>("--" + d.KebabName)
        {
            Description = $"{d.Meaning} Values: {d.Allowed}.{(d.Default.Length > 0 ? $" Default: {d.Default}." : "")}",
            HelpName = d.Kind.ToString().ToLowerInvariant(),
        });
        var reports = new Option<string>("--reports") { Description = "Reports to write beside the result: list of Json, Html, Markdown, or None.", DefaultValueFactory = _ => "" }.ListOf("Json", "Html", "Markdown", "None");
        foreach (var (definition, option) in settings) option.CompletionSources.Add([.. definition.Choices]);
        var command = new Command("compress", "Compresses a model; the same engine and options as CompressModel items of a project.") { source, output, json, latency, threads, reports };
        foreach (var option in settings.Values) command.Options.Add(option);
        command.SetWork((parsed, cancellation) => Run(
            new CompressionRequest
            {
                SourcePath = Path.GetFullPath(parsed.GetValue(source)!),
                Identity = Identity(parsed.GetValue(source)!),
                WorkingDirectory = Environment.CurrentDirectory,
                OutputPath = Path.GetFullPath(parsed.GetValue(output)!),
                Item = new SettingsSource("The command line", Texts(settings, parsed)),
                WrittenPaths = Written(settings, parsed),
                Reports = CommandLineRules.Entries(parsed.GetValue(reports)!),
                Threads = parsed.GetValue(threads),
                MeasureLatency = parsed.GetValue(latency),
            },
            parsed.GetValue(json),
            cancellation));
        return command;
    }

    private static int Run(CompressionRequest request, bool json, CancellationToken cancellation)
    {
        if (Path.GetFullPath(request.SourcePath) == request.OutputPath)
        {
            DiagnosticPrinter.Print(Diagnostic.Error("MCB1008", "IN and OUT are the same file; the source is never changed. Give another output with -o."));
            return ExitCodes.WrongUsage;
        }

        if (Path.EndsInDirectorySeparator(request.OutputPath) || Directory.Exists(request.OutputPath))
        {
            DiagnosticPrinter.Print(Diagnostic.Error("MCB1009", $"--output is the folder '{request.OutputPath}'; expected a file, such as '{Path.Combine(request.OutputPath, Path.GetFileName(request.SourcePath))}'."));
            return ExitCodes.WrongUsage;
        }

        var said = new List<Diagnostic>();
        var outcome = ProgressDisplay.Run(Path.GetFileName(request.SourcePath), progress => new CompressionPipeline(said.Add).Run(request with { Progress = progress }, cancellation));
        foreach (var diagnostic in said) DiagnosticPrinter.Print(diagnostic);
        var errors = said.Where(d => d.Severity == DiagnosticSeverity.Error).ToList();
        if (outcome.Report is not { } report) return errors.Count > 0 && errors.All(e => ExitCodes.Of(e) == ExitCodes.WrongUsage) ? ExitCodes.WrongUsage : ExitCodes.Failed;
        Console.Out.WriteLine(json ? Encoding.UTF8.GetString(JsonReport.Serialize(report)).TrimEnd() : SummaryLine.Format(report));
        return ExitCodes.Success;
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
