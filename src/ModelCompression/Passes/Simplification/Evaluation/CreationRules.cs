using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification.Evaluation;

/// <summary>ConstantOfShape, Range, and the shape of a value whose type is known.</summary>
internal static class CreationRules
{
    public static Tensor? TryEvaluate(ConstantCall call) => call.Node.OpType switch
    {
        "ConstantOfShape" => ConstantOfShape(call),
        "Range" => Range(call),
        "Shape" => call.Input(0) is { } tensor ? ShapeOf(call.Node, call.Opset, tensor.Dims.ToArray()) : null,
        "Size" => call.Input(0) is { } tensor ? Tensor.Int64([], tensor.ElementCount) : null,
        _ => null,
    };

    /// <summary>The output of Shape or Size for a value that is not constant but has a known static shape.</summary>
    public static Tensor? FromStaticShape(Node node, long opset)
    {
        if (!node.IsOnnxDomain || node.OpType is not ("Shape" or "Size") || node.Input(0)?.TensorType?.Shape is not { IsStatic: true } shape) return null;
        long[] dims = [.. shape.Dimensions.Select(d => d.Size!.Value)];
        return node.OpType == "Size" ? Tensor.Int64([], Tensor.CountElements(dims)) : ShapeOf(node, opset, dims);
    }

    /// <summary>What Shape returns for a value of these dimensions.</summary>
    public static Tensor ShapeOf(Node node, long opset, long[] dims)
    {
        if (opset < 15) return Tensor.Int64([dims.Length], dims);
        int start = Bound(node.GetInt("start", 0), dims.Length);
        int end = Bound(node.GetInt("end", dims.Length), dims.Length);
        long[] part = end <= start ? [] : dims[start..end];
        return Tensor.Int64([part.Length], part);
    }

    private static int Bound(long index, int rank) => (int)Math.Clamp(index < 0 ? index + rank : index, 0, rank);

    private static Tensor? ConstantOfShape(ConstantCall call)
    {
        if (NumericData.TryRead(call.Input(0))?.Integers is not { } dims || dims.Any(d => d < 0)) return null;
        var value = call.Node.TryGetAttribute("value", out var attribute) ? attribute.Tensor : Tensor.Float([1], 0);
        if (value.ElementCount != 1 || value.Strings is not null || value.DataType.BitWidth() < 8) return null;
        return MovementRules.View(value.Reshape(), dims, new long[dims.Length]);
    }

    private static Tensor? Range(ConstantCall call)
    {
        var start = NumericData.TryRead(call.Input(0));
        if (start?.Integers is not [var first] || NumericData.TryRead(call.Input(1))?.Integers is not [var limit]
            || NumericData.TryRead(call.Input(2))?.Integers is not [var delta] || delta == 0) return null;
        long count = Math.Max(0, (long)Math.Ceiling(((decimal)limit - first) / delta));
        if (!ShapeMathEvaluator.IsSmall([count])) return null;
        var elements = new long[count];
        for (int i = 0; i < elements.Length; i++) elements[i] = first + (i * delta);
        return NumericData.Of(start.Type, [count], elements).TryWrite();
    }
}
