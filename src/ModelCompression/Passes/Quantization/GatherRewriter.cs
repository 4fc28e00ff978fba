using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization;

/// <summary>Makes one Gather pick rows of codes and unpack only these.</summary>
internal sealed class GatherRewriter(Node gather, WeightPlan plan, WeightNames names)
{
    private readonly OnnxGraph graph = gather.Graph!;
    private int index;

    /// <summary>Gather(table, i) → (Cast(Gather(codes, i)) − Gather(zero points, i)) · Gather(scales, i).</summary>
    public void Rewrite(Value codes, Value scales, Value? zeroPoints)
    {
        index = graph.IndexOf(gather);
        var indices = gather.Input(1);
        var original = gather.Output()!;
        var value = Add("Gather", [codes, indices], original.Name + "_q", [.. gather.Attributes]);
        value.Producer!.Name = gather.Name;
        value = Add("Cast", [value], names.Float, NodeAttribute.Of("to", (long)DataType.Float));
        if (zeroPoints is not null) value = Add("Sub", [value, Picked(zeroPoints, indices)], names.Centred);
        value = Add("Mul", [value, Picked(scales, indices)], names.Weight);
        if (plan.Site.Tensor.DataType != DataType.Float) value = Add("Cast", [value], names.Weight, NodeAttribute.Of("to", (long)plan.Site.Tensor.DataType));
        value.Type = original.Type;
        original.ReplaceAllUsesWith(value);
        graph.RemoveNode(gather);
    }

    private Value Picked(Value constants, Value? indices) =>
        plan.ChannelAxes.Count == 0 ? constants : Add("Gather", [constants, indices], constants.Name + "r", [.. gather.Attributes]);

    private Value Add(string opType, IEnumerable<Value?> inputs, string name, params NodeAttribute[] attributes) =>
        graph.AddNode(opType, inputs, [name], attributes, index: index++).Outputs[0]!;
}
