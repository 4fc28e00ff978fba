using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline;

/// <summary>Counts the weights of the layers that lost most, before and as they are used at run time.</summary>
internal static class WeightHistograms
{
    private const int MostLayers = 6;
    private const int Steps = 61;

    /// <summary>Larger weights would make the report cost more than it tells.</summary>
    private const long MostElements = 8 << 20;

    /// <summary>Histograms of the worst layers first; layers whose weights are unpacked by their consumer are left out.</summary>
    public static IReadOnlyList<WeightHistogram> Of(Model model, PassLog log)
    {
        var histograms = new List<WeightHistogram>();
        foreach (var layer in log.Layers.Where(l => l.SqnrDb is not null && l.Began?.Weight.ElementCount is > 1 and <= MostElements).OrderBy(l => l.SqnrDb).ThenBy(l => l.Weight, StringComparer.Ordinal))
        {
            if (histograms.Count == MostLayers) break;
            var (before, use) = layer.Began!.Value;
            if (use.Node.Graph is null || use.Node.Input(use.Index) is not { } value || UnpackedConstant.Of(model, value) is not { } after || !after.DataType.IsFloatingPoint()) continue;
            histograms.Add(Count(layer, FloatElements.AsFloat(before).AsSpan<float>(), FloatElements.AsFloat(after).AsSpan<float>()));
        }

        return histograms;
    }

    private static WeightHistogram Count(LayerRecord layer, ReadOnlySpan<float> before, ReadOnlySpan<float> after)
    {
        float low = float.PositiveInfinity, high = float.NegativeInfinity;
        Extend(before, ref low, ref high);
        Extend(after, ref low, ref high);
        if (!(low < high)) (low, high) = (float.IsFinite(low) ? low - 0.5f : -0.5f, float.IsFinite(low) ? low + 0.5f : 0.5f);
        return new(layer.Node, layer.Weight, low, high, Count(before, low, high), Count(after, low, high), layer.SqnrDb is { } db && double.IsFinite(db) ? Math.Round(db, 2) : null);
    }

    private static void Extend(ReadOnlySpan<float> values, ref float low, ref float high)
    {
        foreach (float value in values)
        {
            if (!float.IsFinite(value)) continue;
            low = Math.Min(low, value);
            high = Math.Max(high, value);
        }
    }

    private static long[] Count(ReadOnlySpan<float> values, float low, float high)
    {
        var counts = new long[Steps];
        double scale = Steps / ((double)high - low);
        foreach (float value in values)
            if (float.IsFinite(value)) counts[Math.Min(Steps - 1, (int)((value - (double)low) * scale))]++;
        return counts;
    }
}
