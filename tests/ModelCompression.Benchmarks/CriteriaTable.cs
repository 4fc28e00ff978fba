using System.Globalization;

namespace ModelCompression.Benchmarks;

/// <summary>Prunes one model by every criterion to several shares and prints its metric without recovery, after the least-squares refit and after fine-tuning, as rows of a table.</summary>
internal static class CriteriaTable
{
    private static readonly string[] Shares = ["0.3", "0.5", "0.7", "0.9"];

    private static readonly (string Pattern, string[] Criteria)[] Patterns =
    [
        ("Channel", ["Magnitude", "Wanda", "Taylor", "GradientStability"]),
        ("Unstructured", ["Magnitude", "Wanda", "SparseGpt", "Taylor", "GradientStability"]),
    ];

    /// <summary>Arguments: MODEL TRAINING VALIDATION [EPOCHS]; the first 200 training samples calibrate, 50 mini-batches give gradients.</summary>
    public static int Run(string[] args)
    {
        string model = Path.GetFullPath(args[0]), folder = Directory.CreateTempSubdirectory("criteria-").FullName;
        var data = new Dictionary<string, string>(StringComparer.Ordinal) { ["TrainingData"] = Path.GetFullPath(args[1]), ["CalibrationData"] = Path.GetFullPath(args[1]), ["ValidationData"] = Path.GetFullPath(args[2]) };
        string epochs = args.Length > 3 ? args[3] : "1";
        try
        {
            foreach (var (pattern, criteria) in Patterns)
            {
                Console.WriteLine($"| {Path.GetFileNameWithoutExtension(model)}, {pattern} | {string.Join(" | ", Shares.Select(s => Percent(double.Parse(s, CultureInfo.InvariantCulture), "0")))} |");
                Console.WriteLine("|---|---|---|---|---|");
                foreach (string criterion in criteria)
                    Console.WriteLine($"| {criterion} | {string.Join(" | ", Shares.Select(s => Cell(model, Path.Combine(folder, "result.onnx"), Settings(data, pattern, criterion, s), epochs)))} |");
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        return 0;
    }

    private static Dictionary<string, string> Settings(Dictionary<string, string> data, string pattern, string criterion, string share)
    {
        var settings = new Dictionary<string, string>(data, StringComparer.Ordinal)
        {
            ["Quantization"] = "None",
            ["Pruning"] = criterion,
            ["PruningPattern"] = pattern,
            ["Sparsity"] = share,
            ["CalibrationSamples"] = "200",
        };
        if (criterion is "Taylor" or "GradientStability") settings["GradientIterations"] = "50";
        return settings;
    }

    /// <summary>Without recovery, refitted, fine-tuned.</summary>
    private static string Cell(string model, string output, Dictionary<string, string> settings, string epochs)
    {
        settings["Compensation"] = "None";
        string plain = Metric(model, output, settings);
        settings["Compensation"] = "LeastSquares";
        string refitted = Metric(model, output, settings);
        settings["FineTuneEpochs"] = epochs;
        return $"{plain}, {refitted}, {Metric(model, output, settings)}";
    }

    private static string Metric(string model, string output, Dictionary<string, string> settings)
    {
        var (report, errorCodes) = SettingsRun.Compress(model, output, settings);
        return report?.Validation is { } validation ? Percent(validation.Compressed, "0.0") : errorCodes;
    }

    private static string Percent(double? share, string format) => share is { } s ? (100 * s).ToString(format, CultureInfo.InvariantCulture) : "–";
}
