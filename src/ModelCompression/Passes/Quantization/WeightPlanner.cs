using ModelCompression.Analysis;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization.NBits;

namespace ModelCompression.Passes.Quantization;

/// <summary>Decides for every weight whether and how it is quantized. Looks at settings, consumers, shapes and sizes, never at the elements.</summary>
internal sealed class WeightPlanner
{
    /// <summary>Numpy broadcasting of Mul and Sub; earlier versions line axes up by attributes.</summary>
    internal const long BroadcastOpset = 7;

    private readonly CompressionSettings settings;
    private readonly IReadOnlyDictionary<OnnxGraph, GraphTarget> targets;
    private readonly AlreadyQuantized already;
    private readonly bool prefersFusedMatMul;

    public WeightPlanner(Model model, WeightCatalog catalog, CompressionSettings settings, long fusedByteLength = FormRules.FusedMatMulByteLength)
    {
        // Fused kernels want a byte per weight, which is not the smallest.
        prefersFusedMatMul = settings.Model.Preset != Preset.Smallest && catalog.Weights.Where(w => w.Role == WeightRole.MatrixProduct).Sum(w => w.Tensor.ElementCount * sizeof(float)) >= fusedByteLength;
        this.settings = settings;
        targets = GraphTarget.AllOf(model);
        already = AlreadyQuantized.Of(model);
    }

    /// <summary>Plans one weight.</summary>
    public WeightDecision Decide(WeightSite site)
    {
        if (ReasonAgainst(site) is { } reason) return new(site, null, reason);
        var options = settings.For(site.Operator);
        if (NBitRules.Apply(options)) return DecideNBits(site, options);
        var axes = options.QuantizationGranularity == QuantizationGranularity.Tensor ? [] : ScaledUse(site).ChannelAxes;
        var target = targets[site.Value.Graph];
        (var form, string note) = FormRules.Choose(site, options, axes, target, prefersFusedMatMul);
        var codes = options.QuantizationScheme == QuantizationScheme.Asymmetric ? CodeRange.Asymmetric(8) : CodeRange.Symmetric(8);
        var product = form == WeightForm.ProductBlocks ? ProductBlocks.TryMake(site, axes, target) : null;
        if (codes.IsSymmetric && axes.Count > 0) product = product?.WithOwnScales();
        var perChannel = ChannelLayout.Of(site.Tensor.Dims, axes);
        var plan = new WeightPlan(site, options, axes, product?.LayoutOf(perChannel) ?? perChannel, codes, form, target, note) { Product = product };
        if (options.QuantizationFormat == QuantizationFormat.Auto && form == WeightForm.Folded && codes.IsSymmetric && axes.Count > 0)
            plan = plan with { IsAdaptive = true, Blocks = BlockShape.TryMake(site.Tensor, ScaledUse(site)) };
        return StoredSize.Of(plan) < StoredSize.OfFloat(site)
            ? new(site, plan, "")
            : new(site, null, "too small: codes, scales and unpacking nodes would take more bytes");
    }

    private WeightDecision DecideNBits(WeightSite site, CompressionOptions options)
    {
        var target = targets[site.Value.Graph];
        return NBitRules.WhyNot(site, target) is { } reason ? new(site, null, reason) : new(site, null, "") { NBits = NBitRules.Plan(site, ScaledUse(site), options, target, prefersFusedMatMul) };
    }

    private string? ReasonAgainst(WeightSite site) => already.ReasonFor(site.Value) ?? ReasonToSkip(site) ?? Disagreement(site) ?? WhyUnsuitable(site, targets[site.Value.Graph]);

    /// <summary>The consumer whose axes the scales follow: one that sums, since its accuracy depends on them; any axes are valid for the others.</summary>
    private static WeightUse ScaledUse(WeightSite site) => site.Uses.FirstOrDefault(u => u.Role != WeightRole.Embedding) ?? site.Uses[0];

    private string? ReasonToSkip(WeightSite site)
    {
        foreach (var use in site.Uses)
            if ((already.ReasonFor(use.Operator) ?? settings.ReasonToSkip(use.Operator)) is { } reason) return site.Uses.Count == 1 ? reason : $"{use.Operator.DisplayName} is {reason}";
        return null;
    }

    private string? Disagreement(WeightSite site)
    {
        var first = settings.For(site.Operator);
        foreach (var use in site.Uses)
        {
            var other = settings.For(use.Operator);
            if (!Same(first, other)) return $"shared by {site.Operator.DisplayName} and {use.Operator.DisplayName}, whose quantization settings differ";
        }

        return first.Quantization is QuantizationMode.WeightOnly or QuantizationMode.Dynamic or QuantizationMode.Static ? null : $"Quantization={first.Quantization}";
    }

    private static bool Same(CompressionOptions a, CompressionOptions b) =>
        (a.Quantization, a.WeightBits, a.QuantizationScheme, a.QuantizationGranularity, a.BlockSize, a.QuantizationFormat, a.QuantizationAlgorithm)
        == (b.Quantization, b.WeightBits, b.QuantizationScheme, b.QuantizationGranularity, b.BlockSize, b.QuantizationFormat, b.QuantizationAlgorithm);

    private static string? WhyUnsuitable(WeightSite site, GraphTarget target)
    {
        if (site.Tensor.ElementCount == 0) return "empty";
        if (site.Tensor.ElementCount > Array.MaxLength) return "more than 2^31 elements";
        if (target.Opset < BroadcastOpset) return FormattableString.Invariant($"opset {target.Opset} has no broadcasting to unpack with; opset {BroadcastOpset} and later have");
        return target.UsesConstantNodes ? ConstantNode.WhyNot(target.Opset, DataType.Int8) : null;
    }
}
