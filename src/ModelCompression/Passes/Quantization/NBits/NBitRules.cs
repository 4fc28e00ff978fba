using ModelCompression.Analysis;
using ModelCompression.Numerics.NBits;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>Decides which weights become n-bit codes and in which groups.</summary>
internal static class NBitRules
{
    /// <summary>Expand, which spreads scales over blocks.</summary>
    private const long ExpandOpset = 8;

    /// <summary>ONNX Runtime folds no node whose output takes more than 1 GiB, so a larger weight would be unpacked at every run.</summary>
    private const long MaxFoldedElements = (1L << 30) / sizeof(float);

    /// <summary>True for settings beyond 8-bit codes per tensor or channel, which have their own rules.</summary>
    public static bool Apply(CompressionOptions options) =>
        options.Quantization == QuantizationMode.WeightOnly
        && (options.WeightBits != 8
            || options.QuantizationScheme is QuantizationScheme.PowerOfTwo or QuantizationScheme.Codebook
            || options.QuantizationGranularity == QuantizationGranularity.Block
            || options.QuantizationFormat == QuantizationFormat.MatMulNBits
            || options.QuantizationAlgorithm != QuantizationAlgorithm.RoundToNearest);

    /// <summary>Why a weight cannot be stored in n-bit codes, or null.</summary>
    public static string? WhyNot(WeightSite site, GraphTarget target)
    {
        if (target.Opset < ExpandOpset) return FormattableString.Invariant($"opset {target.Opset} has no operators to unpack n bits with; opset {ExpandOpset} and later have");
        return site.Tensor.ElementCount > MaxFoldedElements ? "more than 2^28 elements, which ONNX Runtime would unpack at every run" : null;
    }

    /// <summary>The plan of a suitable weight.</summary>
    /// <param name="site">The weight.</param>
    /// <param name="use">The consumer whose axes count.</param>
    /// <param name="options">Options.</param>
    /// <param name="target">The graph that owns it.</param>
    /// <param name="prefersFusedMatMul">True when the model's matrix products are so large that unpacking them when a session is created costs more than an operator that need not.</param>
    public static NBitPlan Plan(WeightSite site, WeightUse use, CompressionOptions options, GraphTarget target, bool prefersFusedMatMul = false)
    {
        var kind = options.QuantizationScheme switch
        {
            QuantizationScheme.Asymmetric => GroupCodeKind.Asymmetric,
            QuantizationScheme.PowerOfTwo => GroupCodeKind.PowerOfTwo,
            _ => GroupCodeKind.Symmetric,
        };
        var rows = WeightGrid.Of(site.Tensor.Dims, use.ChannelAxes, use.ReductionAxis);
        var grid = options.QuantizationGranularity switch
        {
            QuantizationGranularity.Tensor => rows.PerTensor(),
            QuantizationGranularity.Block => rows.PerBlock(options.BlockSize),
            _ => rows,
        };
        var plan = new NBitPlan(site, options, use, grid, new(options.WeightBits, kind), target);
        return options.QuantizationFormat switch
        {
            QuantizationFormat.Qdq => Preferred(plan, NBitFormKind.Dequantized, DequantizedForm.WhyNot(plan)),
            QuantizationFormat.MatMulNBits => InBlocks(plan, rows),
            QuantizationFormat.Auto when options.QuantizationGranularity == QuantizationGranularity.Block => Automatic(plan, prefersFusedMatMul),
            _ => plan,
        };
    }

    private static NBitPlan Preferred(NBitPlan plan, NBitFormKind form, string? whyNot) => whyNot is null ? plan with { Form = form } : plan with { Note = $"folded: {whyNot}" };

    /// <summary>ONNX Runtime's own operators, which have blocks only.</summary>
    private static NBitPlan InBlocks(NBitPlan plan, WeightGrid rows)
    {
        var blocks = plan with { Grid = rows.PerBlock(plan.Options.BlockSize) };
        bool isTable = plan.Site.Uses.All(u => u.Role == WeightRole.Embedding);
        string? whyNot = isTable ? GatherBlockForm.WhyNot(blocks) : MatMulNBitsForm.WhyNot(blocks);
        return whyNot is null
            ? blocks with { Form = isTable ? NBitFormKind.GatherBlockQuantized : NBitFormKind.MatMulNBits }
            : plan with { Note = $"folded: {whyNot}" };
    }

    private static NBitPlan Automatic(NBitPlan plan, bool prefersFusedMatMul)
    {
        if (GatherBlockForm.WhyNot(plan) is null) return plan with { Form = NBitFormKind.GatherBlockQuantized };
        return prefersFusedMatMul && MatMulNBitsForm.WhyNot(plan) is null ? plan with { Form = NBitFormKind.MatMulNBits } : plan;
    }
}
