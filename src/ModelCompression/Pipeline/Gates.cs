using System.Globalization;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline;

/// <summary>Compares a result with the limits the user set.</summary>
internal static class Gates
{
    /// <summary>A metric that is a share of samples may be exactly at its limit: 0.911 less 0.901 is a little more than 0.01 in binary.</summary>
    private const double Rounding = 1e-12;

    /// <summary>Every gate that is set, in the order of the options page.</summary>
    public static IReadOnlyList<GateFigures> Evaluate(CompressionOptions options, ModelFigures original, ModelFigures compressed, ValidationFigures? validation, LatencyFigures? latency)
    {
        var gates = new List<GateFigures>();
        if (options.MaxMetricDrop is { } drop && validation is not null)
            gates.Add(new("MaxMetricDrop", drop, validation.Drop, validation.Drop is { } lost && lost <= drop + Rounding));
        if (options.MinMetric is { } min && validation is not null)
            gates.Add(new("MinMetric", min, validation.Compressed, validation.Compressed is not { } reached || (validation.LowerIsBetter ? reached <= min : reached >= min)));
        if (options.MaxSize is { } size)
        {
            double limit = size.Bytes ?? Math.Floor(original.Bytes * size.PercentOfOriginal!.Value / 100);
            gates.Add(new("MaxSize", limit, compressed.Bytes, compressed.Bytes <= limit));
        }

        if (options.MaxLatencyRatio is { } ratio && latency is not null && IsClear(latency, ratio))
            gates.Add(new("MaxLatencyRatio", ratio, latency.Ratio, latency.Ratio <= ratio));
        return gates;
    }

    /// <summary>A warning for a gate that cannot be judged: better no verdict than one by chance.</summary>
    public static IEnumerable<Diagnostic> NotJudged(CompressionOptions options, LatencyFigures? latency)
    {
        if (options.MaxLatencyRatio is not { } limit) yield break;
        if (latency is null)
            yield return Diagnostic.Warning("MCB5005", "MaxLatencyRatio was not judged: the original could not be run on any input. Give ValidationData or CalibrationData.");
        else if (!IsClear(latency, limit))
            yield return Diagnostic.Warning("MCB5005", string.Create(CultureInfo.InvariantCulture, $"MaxLatencyRatio was not judged: the compressed model takes {latency.Ratio:0.###} times as long as the original and the limit is {Text(limit)}, but single runs scatter by {latency.Spread:0.# %}, which is more than what lies between. Build on a machine with nothing else to do."));
    }

    /// <summary>True if the measured ratio is farther from the limit than runs scatter.</summary>
    private static bool IsClear(LatencyFigures latency, double limit) => Math.Abs(latency.Ratio - limit) > latency.Ratio * latency.Spread;

    /// <summary>Code and message of a failed gate, with both numbers, the layers that lost most, and what may help.</summary>
    public static (string Code, string Message) Describe(GateFigures gate, CompressionReport report)
    {
        string code = gate.Name switch { "MaxMetricDrop" => "MCB5001", "MinMetric" => "MCB5002", "MaxSize" => "MCB5003", _ => "MCB5004" };
        string subject = gate.Name switch
        {
            "MaxMetricDrop" => $"{report.Validation!.Metric} {(report.Validation.LowerIsBetter ? "rose" : "fell")} from {Text(report.Validation.Original)} to {Text(report.Validation.Compressed)}, {(report.Validation.LowerIsBetter ? "a rise" : "a drop")} of {Text(gate.Actual)}",
            "MinMetric" => $"{report.Validation!.Metric} is {Text(gate.Actual)}",
            "MaxSize" => $"The file takes {Text(gate.Actual)} bytes",
            _ => $"The compressed model takes {Text(gate.Actual)} times as long as the original",
        };
        var worst = gate.Name is "MaxMetricDrop" or "MinMetric" ? report.Layers.Where(l => l.SqnrDb is not null).OrderBy(l => l.SqnrDb).DistinctBy(l => l.Node).Take(3).ToList() : [];
        string layers = worst.Count > 0 ? $" Layers that lost most: {string.Join(", ", worst.Select(l => string.Create(CultureInfo.InvariantCulture, $"{l.Node} ({l.SqnrDb:0.0} dB)")))}." : "";
        return (code, $"{subject}, but {gate.Name} is {Text(gate.Limit)}.{layers} {Advice(gate.Name, worst.Count > 0 ? worst[0].Node : null)}");
    }

    private static string Advice(string gate, string? node) => gate switch
    {
        "MaxSize" => "Preset=Smallest, fewer WeightBits or pruning save more; Strategy=Auto looks for the mix that loses least.",
        "MaxLatencyRatio" => "Quantization=Static with CalibrationData, or PruningPattern=Channel, saves time; weights in fewer bits alone do not.",
        _ when node is null => "Use gentler settings, or let Strategy=Auto find settings that pass.",
        _ => $"More bits, or a CompressModelRule with Nodes=\"{node}\" and Quantization=\"None\", spares a layer; Strategy=Auto finds settings that pass.",
    };

    private static string Text(double? value) => value is { } number ? SummaryLine.Decimals(number, "0.######") : "infinite";
}
