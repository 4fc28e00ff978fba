using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients.Rules;

/// <summary>Resize and Upsample.</summary>
/// <remarks>
/// All modes (nearest, linear, cubic, whatever the coordinates) are linear in x and work axis by axis: y = A·x along each. The operator itself, applied to an identity matrix, gives A,
/// so that ∂x = Aᵀ·∂y holds for exactly what the runtime does. The matrix is a constant expression, computed once when the graph is opened.
/// </remarks>
internal static class ResizeRules
{
    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules)
    {
        ArithmeticRules.Unary(rules, "Resize", Gradient);
        ArithmeticRules.Unary(rules, "Upsample", Gradient);
    }

    private static Value Gradient(NodeGradient n, Value dy)
    {
        if (n.Attributes.Text("coordinate_transformation_mode", "") == "tf_crop_and_resize") throw n.Refuse("it crops while it resizes");
        long[] x = n.Dims(n.X()), y = n.Dims(n.Y());
        float[]? scales = Scales(n, x.Length);
        for (int axis = 0; axis < x.Length; axis++)
        {
            if (x[axis] == y[axis] && (scales is null || scales[axis] == 1)) continue;
            if (axis < 2) throw n.Refuse("it resizes the batch or channel axis");
            var map = Map(n, axis, x.Length, x[axis], y[axis], scales?[axis]);
            long[] sizes = [.. x[..axis], .. y[axis..]];
            dy = SelectionRules.AlongAxis(n.Emit, dy, sizes, axis, map);
        }

        return dy;
    }

    /// <summary>Factors of all axes, or null when sizes are stated.</summary>
    private static float[]? Scales(NodeGradient n, int rank)
    {
        if (n.Attributes.TryGet("scales", AttributeType.Floats, out var stated)) return [.. stated.Floats];
        int index = n.Node.Is("Upsample") || n.Emit.Opset < 11 ? 1 : 2;
        if (n.Node.Input(index) is not { } input) return null;
        if (!input.TryGetConstant(out var tensor)) throw n.Refuse("its scales are not constant");
        if (tensor.ElementCount == 0) return null;
        float[] given = tensor.AsSpan<float>().ToArray();
        if (n.Attributes.Ints("axes") is not { } axes) return given;
        var scales = new float[rank];
        Array.Fill(scales, 1f);
        for (int i = 0; i < axes.Count; i++) scales[axes[i] < 0 ? axes[i] + rank : axes[i]] = given[i];
        return scales;
    }

    /// <summary>A [output, input]: the operator on unit vectors, one per batch entry, laid along the axis.</summary>
    private static Value Map(NodeGradient n, int axis, int rank, long input, long output, float? scale)
    {
        var emit = n.Emit;
        long[] dims = [.. Enumerable.Range(0, rank).Select(i => i == 0 || i == axis ? input : 1)];
        var identity = new float[input * input];
        for (long i = 0; i < input; i++) identity[(i * input) + i] = 1;
        var units = emit.Constant(Tensor.Float(dims, identity));
        var attributes = n.Node.Attributes.Where(a => a.Name is not ("axes" or "keep_aspect_ratio_policy" or "scales")).ToList();
        float[] factors = [.. Enumerable.Range(0, rank).Select(i => i == axis ? scale ?? 1 : 1f)];
        if (n.Attributes.Has("scales")) attributes.Add(NodeAttribute.Of("scales", factors));
        Value?[] inputs = scale is null ? [units, null, null, emit.Ints([.. dims.Select((d, i) => i == axis ? output : d)])]
            : n.Attributes.Has("scales") ? [units]
            : n.Node.Is("Upsample") || emit.Opset < 11 ? [units, emit.Constant(Tensor.Float([rank], factors))]
            // Below operator set 13 the region is no optional input; it is ignored in all modes that come here.
            : [units, emit.Opset < 13 ? emit.Constant(Tensor.Float([0])) : null, emit.Constant(Tensor.Float([rank], factors))];
        if (scale is null && emit.Opset < 13) (inputs[1], inputs[2]) = (emit.Constant(Tensor.Float([0])), emit.Constant(Tensor.Float([0])));
        return emit.Transpose(emit.Reshape(emit.Op(n.Node.OpType, inputs, [.. attributes]), input, output), 1, 0);
    }
}
