using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Estimates what a choice of integer operators saves, from shapes alone: the same on every machine, and free.</summary>
/// <remarks>
/// A linear model, fitted to 151 convolutions of eight models as ONNX Runtime 1.29 runs them on one core of an x64 processor with VNNI. Only ratios matter for decisions. A convolution costs so much
/// per product and per output element, an integer one with a window also per position and element of the window (collecting inputs of a few bytes each); a conversion, a multiplication of channels and
/// a change of layout cost so much per element, and any operator something for being called.
/// </remarks>
internal sealed class TimeEstimate
{
    // Nanoseconds.
    private const double FloatProduct = 1 / 117.0, IntegerProduct = 1 / 546.0, FloatDepthwise = 1 / 96.0, IntegerDepthwise = 1 / 57.0;
    private const double FloatOutput = 0.043, IntegerOutput = 0.08, DepthwiseOutput = 0.095, Window = 1.5;
    private const double FloatWeight = 0.12, IntegerWeight = 0.03;
    private const double Quantize = 0.08, Dequantize = 0.11, Factor = 0.19, Call = 2000, IntegerCall = 1100;

    private readonly ActivationRanges ranges;
    private readonly bool perChannel;
    private readonly LayoutChanges layout;
    private readonly double untouched;

    /// <summary>Prepares for a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="ranges">Element counts of its activations.</param>
    /// <param name="perChannel">True if activations may have scales per channel.</param>
    public TimeEstimate(Model model, ActivationRanges ranges, bool perChannel)
    {
        this.ranges = ranges;
        this.perChannel = perChannel;
        layout = new LayoutChanges(model, ranges);
        untouched = layout.Nanoseconds([]);
    }

    /// <summary>Nanoseconds that a sample takes less with these nodes in integers; negative if it takes longer.</summary>
    public double Saved(IReadOnlyList<QuantizedNode> nodes)
    {
        double saved = untouched - layout.Nanoseconds([.. nodes.Select(n => n.Node)]);
        foreach (var node in nodes)
            if (node.Role == StaticRole.Linear) saved += SavedBy(node);
        foreach (var tensor in StaticPlan.Of(nodes).Tensors) saved -= Conversions(tensor, nodes);
        return saved;
    }

    /// <summary>What the operator itself saves, without conversions.</summary>
    public double SavedBy(QuantizedNode node)
    {
        node.WeightValue!.TryGetConstant(out var weight);
        var work = NodeWork.Of(node, ranges);
        int channels = (int)weight!.Dims[node.Weight!.ChannelAxes[0]];
        double outputs = work.Products / ((double)weight.ElementCount / channels);
        if (!ConvView.TryFrom(node.Node, out var view))
            return (work.Products * (FloatProduct - IntegerProduct)) + (weight.ElementCount * (FloatWeight - IntegerWeight)) - IntegerCall;
        if (view.Group == view.OutputChannels && view.Group > 1) return (work.Products * (FloatDepthwise - IntegerDepthwise)) - IntegerCall;
        double window = view.Window.Kernel.Aggregate(1.0, (a, k) => a * k);
        double collecting = window > 1 ? Window * outputs / channels * window : 0;
        return (work.Products * (FloatProduct - IntegerProduct)) - (outputs * (IntegerOutput - FloatOutput)) - collecting - IntegerCall;
    }

    private double Conversions(QuantizedTensor tensor, IReadOnlyList<QuantizedNode> nodes)
    {
        double elements = ranges.ElementCount(tensor.Tensor);
        double factor = perChannel && tensor.Side != ChannelSide.None ? (Factor * elements) + Call : 0;
        if (!tensor.Everywhere) return (Quantize * elements) + Call + factor;
        bool isReadAsFloat = tensor.Tensor.IsGraphOutput || tensor.Tensor.Uses.Any(u => !nodes.Any(n => n.Node == u.Node && n.Activations.Contains(u.Index)));
        return isReadAsFloat ? (Dequantize * elements) + Call + factor : 0;
    }
}
