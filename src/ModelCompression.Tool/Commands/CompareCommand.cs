using System.CommandLine;
using System.Globalization;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Pipeline.Inspection;
using ModelCompression.Tool.CommandLine;
using ModelCompression.Tool.Display;
using Spectre.Console;

namespace ModelCompression.Tool.Commands;

/// <summary><c>compare A B</c>: two models on the same inputs.</summary>
internal static class CompareCommand
{
    public static Command Create()
    {
        var first = new Argument<string>("A") { Description = "The original model." }.NotEmpty();
        var second = new Argument<string>("B") { Description = "The model to judge against it." }.NotEmpty();
        var data = new Option<string?>("--data") { Description = "Data to judge on, with labels or without: `;` list of .npz files, folders in ONNX test layout, folders of .npy files. Without it, synthetic inputs." }.NotEmpty();
        var metric = new Option<string?>("--metric") { Description = "How it is judged: " + string.Join(", ", Enum.GetNames<Metric>()) + ". Default: Top1 with labels, else Cosine." };
        metric.CompletionSources.Add(Enum.GetNames<Metric>());
        var latency = new Option<bool>("--latency") { Description = "Measure the latency of both, interleaved." };
        var threads = new Option<int>("--threads") { Description = "Most threads to use.", DefaultValueFactory = _ => Environment.ProcessorCount }.AtLeastOne();
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var command = new Command("compare", "Compares sizes, outputs, accuracy and latency of two models.") { first, second, data, metric, latency, threads, json };
        command.Validators.Add(result =>
        {
            if (result.GetResult(metric) is not null && result.GetResult(data) is null) result.AddError("--metric has no effect here: it needs --data.");
        });
        command.SetWork((parsed, cancellation) =>
        {
            if (!TryParseMetric(parsed.GetValue(metric), out var chosen)) return ExitCodes.WrongUsage;
            var comparer = new ModelComparer
            {
                OriginalPath = Path.GetFullPath(parsed.GetValue(first)!),
                CompressedPath = Path.GetFullPath(parsed.GetValue(second)!),
                Data = [.. (parsed.GetValue(data) ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(Path.GetFullPath)],
                Metric = chosen,
                Latency = parsed.GetValue(latency),
                Threads = parsed.GetValue(threads),
            };
            var comparison = ProgressDisplay.Run(Path.GetFileName(comparer.CompressedPath), progress => (comparer with { Progress = progress }).Run(cancellation));
            if (parsed.GetValue(json)) Console.Out.WriteLine(comparison.ToJson());
            else Show(ResultConsole.Create(), comparison);
            return ExitCodes.Success;
        });
        return command;
    }

    private static bool TryParseMetric(string? text, out Metric? metric)
    {
        metric = null;
        if (text is null) return true;
        if (Enum.TryParse<Metric>(text, ignoreCase: true, out var known) && Enum.IsDefined(known))
        {
            metric = known;
            return true;
        }

        DiagnosticPrinter.Print(Diagnostic.Error("MCB1002", $"--metric is '{text}'; expected {string.Join(", ", Enum.GetNames<Metric>())}."));
        return false;
    }

    private static void Show(IAnsiConsole console, ModelComparison comparison)
    {
        var (a, b) = (comparison.Original, comparison.Compressed);
        var table = new Table().Border(TableBorder.Simple).AddColumn("").AddColumn(new TableColumn("A").RightAligned()).AddColumn(new TableColumn("B").RightAligned()).AddColumn(new TableColumn("change").RightAligned());
        Sizes("bytes", a.Bytes, b.Bytes);
        Sizes("parameters", a.Parameters, b.Parameters);
        Sizes("parameters not zero", a.NonZeroParameters, b.NonZeroParameters);
        Sizes("MACs per run", a.Macs, b.Macs);
        if (comparison.Validation is { } v)
            table.AddRow($"{v.Metric} ({v.Samples} samples)", Number(v.Original, "0.0000"), Number(v.Compressed, "0.0000"), v.Drop is { } drop ? Number(-drop, "+0.0000;-0.0000;0.0000") : "");
        if (comparison.Latency is { } l)
            table.AddRow($"latency, ms ({l.Runs} runs)", Number(l.OriginalMs, "0.000"), Number(l.CompressedMs, "0.000"), ResultConsole.Change(1, l.Ratio));
        console.Write(table);
        if (comparison.Fidelity is { } f)
            console.WriteLine($"Outputs on {f.Samples} {f.Inputs} samples: " + (f.SqnrDb is { } db ? $"SQNR {Number(db, "0.0")} dB, cosine {Number(f.Cosine, "0.000000")}" : "identical") + (f.TopOneAgreement is { } top ? $", same top class {Number(top * 100, "0.0")} %" : ""));
        else
            console.WriteLine($"Outputs were not compared: {comparison.FidelityReason}");

        void Sizes(string title, long before, long after) => table.AddRow(title, ResultConsole.Count(before), ResultConsole.Count(after), ResultConsole.Change(before, after));
    }

    private static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "∞";
}
