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

    /// <summary>
    /// Bytes of a model's matrix product weights as floats, whatever their type, from which they take a form that ONNX Runtime computes with in an integer kernel, MatMulNBits or, where that cannot be, DequantizeLinear, which it fuses with MatMul:
    /// a model of BERT-base's shape (340 MB of them) opens in 0.2 or 0.6 instead of 0.7 CPU seconds with 0.15 or 0.25 instead of 0.9 GB, and runs up to twice as fast as in float.
    /// A binary16 model gains most: ONNX Runtime unpacks its weights slowly when a session is created, and widens them at every run.
    /// The kernel also rounds activations, which costs accuracy; smaller models gain little, so they keep float arithmetic.
    /// </summary>
    public const long FusedMatMulByteLength = 64L << 20;

    /// <summary>
    /// Bytes as floats up to which an embedding is unpacked when a session is created. Larger ones stay codes, of which each Gather picks rows and their scales: that saves memory and time at load, but
    /// three more nodes per lookup are a third of the time of a small recommender.
    /// </summary>
    public const long FoldedTableByteLength = 1L << 20;

    /// <summary>The form, and why it is not the one the settings name.</summary>
    /// <param name="site">The weight.</param>
    /// <param name="options">Its options.</param>
    /// <param name="axes">Axes along which scales vary.</param>
    /// <param name="target">The graph that owns it.</param>
    /// <param name="prefersFusedMatMul">True when the model's matrix products are at least <see cref="FusedMatMulByteLength"/>.</param>
    public static (WeightForm Form, string Note) Choose(WeightSite site, CompressionOptions options, IReadOnlyList<int> axes, GraphTarget target, bool prefersFusedMatMul)
    {
        if (options.QuantizationFormat == QuantizationFormat.Qdq)
            return WhyNotDequantized(site, axes, target) is { } reason ? (WeightForm.Folded, $"folded: {reason}") : (WeightForm.Dequantized, "");
        if (options.QuantizationFormat is QuantizationFormat.Auto or QuantizationFormat.QOperator && site.Uses.All(u => u.Role == WeightRole.Embedding))
            return (site.Tensor.ByteLength > FoldedTableByteLength ? WeightForm.GatheredRows : WeightForm.Folded, "");
        return options.QuantizationFormat == QuantizationFormat.Auto && prefersFusedMatMul ? ForIntegerKernel(site, axes, target) : (WeightForm.Folded, "");
    }

    /// <summary>The form of a weight of a large model. ONNX Runtime has an integer kernel for DequantizeLinear and MatMul, none for DequantizeLinear and Gemm.</summary>
    private static (WeightForm Form, string Note) ForIntegerKernel(WeightSite site, IReadOnlyList<int> axes, GraphTarget target)
    {
        if (!site.Uses.All(u => u.InputIndex == 1 && (u.Node.Is("MatMul") || u.Node.Is("Gemm"))) || site.Tensor.Rank != 2) return (WeightForm.Folded, "");
        if (site.Uses.Select(u => RuntimeOperators.WhyNoProduct(u, site.Tensor)).FirstOrDefault(r => r is not null) is { } reason) return (WeightForm.Folded, $"folded: {reason}");
        if (ProductBlocks.TryMake(site, axes, target) is not null) return (WeightForm.ProductBlocks, "");
        return (site.Uses.All(u => u.Node.Is("MatMul")) && WhyNotDequantized(site, axes, target) is null ? WeightForm.Dequantized : WeightForm.Folded, "");
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
