using System.CommandLine;
using System.Globalization;
using ModelCompression.Options;
using ModelCompression.Pipeline.Sensitivity;
using ModelCompression.Tool.CommandLine;
using ModelCompression.Tool.Display;
using Spectre.Console;

namespace ModelCompression.Tool.Commands;

/// <summary><c>sensitivity MODEL --data D</c>: which layers mind being quantized.</summary>
internal static class SensitivityCommand
{
    /// <summary>Options that say how a layer is quantized.</summary>
    private static readonly string[] SettingNames =
    [
        "Quantization", "WeightBits", "ActivationBits", "QuantizationScheme", "QuantizationGranularity", "BlockSize", "QuantizationFormat", "QuantizationAlgorithm",
        "CalibrationMethod", "CalibrationPercentile", "CalibrationSamples", "TargetCpu", "IncludeOpTypes", "ExcludeOpTypes", "ExcludeNodes",
    ];

    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "The ONNX model." }.NotEmpty();
        var data = new Option<string>("--data") { Description = "Data to calibrate with and to compare outputs on: `;` list of .npz files, folders in ONNX test layout, folders of .npy files.", Required = true }.NotEmpty();
        var samples = new Option<int>("--samples") { Description = "Samples to compare outputs on.", DefaultValueFactory = _ => 16 }.AtLeastOne();
        var threads = new Option<int>("--threads") { Description = "Most threads to use.", DefaultValueFactory = _ => Environment.ProcessorCount }.AtLeastOne();
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var settings = OptionSchema.All.Where(d => SettingNames.Contains(d.Name)).ToDictionary(d => d, d => new Option<string?>("--" + d.KebabName)
        {
            Description = $"{d.Meaning} Values: {d.Allowed}.{(d.Default.Length > 0 ? $" Default: {d.Default}." : "")}",
            HelpName = d.Kind.ToString().ToLowerInvariant(),
        });
        foreach (var (definition, option) in settings) option.CompletionSources.Add([.. definition.Choices]);
        var command = new Command("sensitivity", "Quantizes one layer at a time and shows how far the outputs move: which layers to leave out or to give more bits.") { model, data, samples, threads, json };
        foreach (var option in settings.Values) command.Options.Add(option);
        command.SetWork((parsed, cancellation) =>
        {
            string[] paths = [.. parsed.GetValue(data)!.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(Path.GetFullPath)];
            var texts = settings.Where(s => parsed.GetValue(s.Value) is not null).ToDictionary(s => s.Key.Name, s => parsed.GetValue(s.Value)!, StringComparer.OrdinalIgnoreCase);
            texts["CalibrationData"] = string.Join(';', paths);
            var meter = new SensitivityMeter
            {
                ModelPath = Path.GetFullPath(parsed.GetValue(model)!),
                Data = paths,
                Settings = new SettingsSource("The command line", texts),
                SampleCount = parsed.GetValue(samples),
                Threads = parsed.GetValue(threads),
            };
            var result = ProgressDisplay.Run(Path.GetFileName(meter.ModelPath), progress => (meter with { Progress = progress }).Run(cancellation));
            if (parsed.GetValue(json)) Console.Out.WriteLine(result.ToJson());
            else Show(ResultConsole.Create(), result);
            return ExitCodes.Success;
        });
        return command;
    }

    private static void Show(IAnsiConsole console, ModelSensitivity result)
    {
        bool hasScores = result.Layers.Any(l => l.TopOneAgreement is not null);
        var table = new Table().Border(TableBorder.Simple).AddColumn("layer").AddColumn("operator").AddColumn(Right("weights")).AddColumn(Right("weight SQNR, dB")).AddColumn(Right("output SQNR, dB"));
        if (hasScores) table.AddColumn(Right("same top class"));
        table.AddColumn("");
        foreach (var layer in result.Layers)
        {
            string output = layer.SqnrDb is { } db ? Number(db) : layer.Reason.Length > 0 ? "" : "equal";
            List<string> cells = [layer.Node, layer.OpType, ResultConsole.Bytes(layer.WeightBytes), layer.WeightSqnrDb is { } weight ? Number(weight) : "", output];
            if (hasScores) cells.Add(layer.TopOneAgreement is { } top ? Number(top * 100) + " %" : "");
            cells.Add(layer.Reason.Length > 0 ? layer.Reason : layer.Action);
            table.AddRow([.. cells.Select(Markup.Escape)]);
        }

        console.Write(table);
        console.WriteLine($"Outputs with one layer quantized ({result.Quantization}) and the others in float, on {result.Samples} samples; the most sensitive layer first.");
    }

    private static TableColumn Right(string title) => new TableColumn(title).RightAligned();

    private static string Number(double value) => value.ToString("0.0", CultureInfo.InvariantCulture);
}
