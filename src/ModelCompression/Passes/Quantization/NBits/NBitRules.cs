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
    public static NBitPlan Plan(WeightSite site, WeightUse use, CompressionOptions options, GraphTarget target)
    {
        var grid = WeightGrid.Of(site.Tensor.Dims, use.ChannelAxes, use.ReductionAxis);
        grid = options.QuantizationGranularity switch
        {
            QuantizationGranularity.Tensor => grid.PerTensor(),
            QuantizationGranularity.Block => grid.PerBlock(options.BlockSize),
            _ => grid,
        };
        var kind = options.QuantizationScheme switch
        {
            QuantizationScheme.Asymmetric => GroupCodeKind.Asymmetric,
            QuantizationScheme.PowerOfTwo => GroupCodeKind.PowerOfTwo,
            _ => GroupCodeKind.Symmetric,
        };
        return new(site, options, use, grid, new(options.WeightBits, kind), target);
    }
}
