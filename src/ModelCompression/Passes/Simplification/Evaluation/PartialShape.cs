using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification.Evaluation;

/// <summary>Single dimensions taken out of a shape that is only partly known, as exporters do beside a free batch size: Gather or Slice of Shape.</summary>
internal static class PartialShape
{
    /// <summary>The node's output, if every dimension it takes is known.</summary>
    /// <param name="node">Gather or Slice.</param>
    /// <param name="opset">Version of the standard operator set.</param>
    /// <param name="constantOf">Content of the other inputs, or null.</param>
    public static Tensor? TryTake(Node node, long opset, Func<Value, Tensor?> constantOf)
    {
        if (!(node.Is("Gather") || node.Is("Slice")) || node.Input(0)?.Producer is not { } producer || !producer.Is("Shape") || producer.IsParameterized) return null;
        if (producer.Input(0)?.TensorType?.Shape is not { } shape) return null;
        // The positions of the dimensions stand in for their sizes, which the rule then only moves.
        var positions = CreationRules.ShapeOf(producer, opset, [.. Enumerable.Range(0, shape.Rank).Select(i => (long)i)]);
        var inputs = new Tensor?[node.Inputs.Count];
        inputs[0] = positions;
        for (int i = 1; i < inputs.Length; i++)
            if (node.Inputs[i] is { } input && (inputs[i] = constantOf(input)) is null) return null;
        if (ShapeMathEvaluator.TryEvaluate(new ConstantCall(node, opset, inputs)) is not [var taken]) return null;
        long?[] sizes = Array.ConvertAll(taken.AsSpan<long>().ToArray(), position => shape[(int)position].Size);
        return sizes.Contains(null) ? null : Tensor.Int64(taken.Dims, Array.ConvertAll(sizes, s => s!.Value));
    }
}
