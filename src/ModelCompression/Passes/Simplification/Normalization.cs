using ModelCompression.Analysis.Channels;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification;

/// <summary>A layer normalization over the last axis, of a sum that nothing else takes, with a gain and a shift per channel.</summary>
/// <param name="Sum">The <c>Add</c> in front.</param>
/// <param name="Axis">The axis it starts at, as the model counts it.</param>
/// <param name="Channels">Elements of gain and shift.</param>
internal sealed record Normalization(Node Sum, long Axis, long Channels)
{
    /// <summary>Dimensions of the sums that ONNX Runtime joins: batch, sequence, channels.</summary>
    private const int Rank = 3;

    /// <summary>The normalization that a node is, or whose mean it subtracts; null for others.</summary>
    public static Normalization? StartingAt(Node node)
    {
        if (node.Inputs.Count == 0 || node.Inputs[0] is not { IsGraphOutput: false, Producer: { OpType: "Add", IsOnnxDomain: true, Inputs: [{ } left, { } right] } sum } input) return null;
        if (!node.IsOnnxDomain || left.TryGetConstant(out _) || right.TryGetConstant(out _)) return null;
        return node.OpType switch
        {
            "LayerNormalization" when input.Uses.Count == 1 => OfNode(node, sum),
            "Sub" when input.Uses.Count == 2 => OfSubtraction(node, input, sum),
            _ => null,
        };
    }

    /// <summary>True if both summands have the same three sizes, not all of them numbers, the last of which is the normalization's.</summary>
    public bool Matches(Shape? left, Shape? right) =>
        left is { Rank: Rank, IsStatic: false } && left.Equals(right) && !left.Dimensions.Contains(Dimension.Unknown) && left[-1].Size == Channels && Axis is -1 or Rank - 1;

    private static Normalization? OfNode(Node node, Node sum)
    {
        if (node.Outputs.Skip(1).Any(o => o is not null) || VectorIn(node, 1) is not { } gain) return null;
        bool shifted = node.Inputs.Count > 2 && node.Inputs[2] is not null;
        return !shifted || VectorIn(node, 2) == gain ? new(sum, node.GetInt("axis", -1), gain) : null;
    }

    /// <summary>(x − mean(x)) / √(mean((x − mean(x))²) + ε) · gain + shift.</summary>
    private static Normalization? OfSubtraction(Node node, Value input, Node sum)
    {
        if (node.Inputs[1]?.Producer is not { OpType: "ReduceMean" } mean || mean.Inputs[0] != input || AxisOf(mean) is not { } axis || node.Output() is not { } centred) return null;
        if (centred.Uses.FirstOrDefault(u => u is { Node.OpType: "Div", Index: 0 }).Node?.Output() is not { Uses: [{ Node: { OpType: "Mul" } scaling, Index: var scaled }] }) return null;
        if (VectorIn(scaling, 1 - scaled) is not { } gain || scaling.Output() is not { Uses: [{ Node: { OpType: "Add" } shifting, Index: var shifted }] }) return null;
        bool squaresAlike = centred.Uses.Select(u => u.Node).Where(n => n.OpType is "Pow" or "Mul").SelectMany(n => n.Output()?.Uses ?? []).Select(u => u.Node).Where(n => n.OpType == "ReduceMean").All(n => AxisOf(n) == axis);
        return squaresAlike && VectorIn(shifting, 1 - shifted) == gain ? new(sum, axis, gain) : null;
    }

    /// <summary>The one axis that a mean is taken over and keeps, or null.</summary>
    private static long? AxisOf(Node mean) => mean.GetInt("keepdims", 1) == 1 && ConstantIntegers.Of(mean, "axes", 1) is [var axis] ? axis : null;

    /// <summary>Length of the constant vector that is an input, or null.</summary>
    private static long? VectorIn(Node node, int index) => node.Inputs[index] is { } value && value.TryGetConstant(out var constant) && constant.Rank == 1 ? constant.Dims[0] : null;
}
