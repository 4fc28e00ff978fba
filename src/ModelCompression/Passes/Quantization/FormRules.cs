using ModelCompression.Analysis;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization;

/// <summary>Chooses the form of a weight in the graph.</summary>
internal static class FormRules
{
    /// <summary>DequantizeLinear exists.</summary>
    private const long DequantizeOpset = 10;

    /// <summary>DequantizeLinear has an axis.</summary>
    private const long DequantizeAxisOpset = 13;

    /// <summary>The form, and why it is not the one the settings name.</summary>
    public static (WeightForm Form, string Note) Choose(WeightSite site, CompressionOptions options, IReadOnlyList<int> axes, GraphTarget target)
    {
        if (options.QuantizationFormat == QuantizationFormat.Qdq)
            return WhyNotDequantized(site, axes, target) is { } reason ? (WeightForm.Folded, $"folded: {reason}") : (WeightForm.Dequantized, "");
        if (options.QuantizationFormat == QuantizationFormat.Auto && site.Uses.All(u => u.Role == WeightRole.Embedding)) return (WeightForm.GatheredRows, "");
        return (WeightForm.Folded, "");
    }

    private static string? WhyNotDequantized(WeightSite site, IReadOnlyList<int> axes, GraphTarget target)
    {
        long needed = axes.Count == 0 ? DequantizeOpset : DequantizeAxisOpset;
        if (target.Opset < needed)
            return FormattableString.Invariant($"DequantizeLinear {(axes.Count == 0 ? "" : "per channel ")}needs opset {needed}, the model has {target.Opset}");
        if (site.Tensor.DataType != DataType.Float) return $"DequantizeLinear of opset {target.Opset} yields binary32, the weight is {site.Tensor.DataType}";
        return DequantizeAxis(site.Tensor, axes) is null ? "the scales vary along two axes" : null;
    }

    /// <summary>The one axis along which scales vary (0 when there is one scale), or null when there are two.</summary>
    public static int? DequantizeAxis(Tensor weight, IReadOnlyList<int> axes)
    {
        int axis = 0, varying = 0;
        foreach (int a in axes)
        {
            if (weight.Dims[a] == 1 && axes.Count > 1) continue;
            axis = a;
            varying++;
        }

        return varying > 1 ? null : varying == 1 || axes.Count == 0 ? axis : axes[^1];
    }
}
