using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients;

/// <summary>Appends nodes to the gradient graph, in the form the model's opset has. Sizes are numbers throughout, so views and broadcasts are constants.</summary>
internal sealed class GradientEmitter(OnnxGraph graph, long opset)
{
    private const long MaxStoredZeros = 256;

    /// <summary>2^126: 1 at the smallest normal number.</summary>
    private const float SteepestSlope = 8.507059e37f;

    /// <summary>2^100.</summary>
    private const float SteepSlope = 1.2676506e30f;

    /// <summary>2^-60, whose neighbours are 2^-83 away.</summary>
    private const float SmallestThreshold = 8.67361738e-19f;

    /// <summary>2^26.</summary>
    private const float LargestThreshold = 67108864;

    private readonly Dictionary<float, Value> scalars = [];
    private readonly Dictionary<string, Value> shapes = new(StringComparer.Ordinal);

    /// <summary>Version of the standard operators.</summary>
    public long Opset => opset;

    /// <summary>Adds a node with one output.</summary>
    public Value Op(string opType, Value?[] inputs, params NodeAttribute[] attributes) => graph.AddNode(opType, inputs, ["grad_" + opType], attributes).Outputs[0]!;

    /// <summary>An output that a node of the model omits so far.</summary>
    public Value NodeOutput(Node node, int index, string name) => graph.AddNodeOutput(node, index, name);

    /// <summary>a + b.</summary>
    public Value Add(Value a, Value b) => Op("Add", [a, b]);

    /// <summary>a − b.</summary>
    public Value Sub(Value a, Value b) => Op("Sub", [a, b]);

    /// <summary>a · b, element by element.</summary>
    public Value Mul(Value a, Value b) => Op("Mul", [a, b]);

    /// <summary>a · s.</summary>
    public Value Mul(Value a, float s) => s == 1 ? a : Mul(a, Scalar(s));

    /// <summary>a / b.</summary>
    public Value Div(Value a, Value b) => Op("Div", [a, b]);

    /// <summary>1 − a.</summary>
    public Value OneMinus(Value a) => Sub(Scalar(1), a);

    /// <summary>a · a.</summary>
    public Value Square(Value a) => Mul(a, a);

    /// <summary>1 where <paramref name="condition"/> holds, else 0.</summary>
    public Value Mask(Value condition) => Op("Cast", [condition], NodeAttribute.Of("to", (long)DataType.Float));

    /// <summary>1 where a &gt; <paramref name="threshold"/>.</summary>
    public Value MaskGreater(Value a, float threshold) => SteepLine(threshold) is { } line
        ? Op("HardSigmoid", [a], NodeAttribute.Of("alpha", line.Slope), NodeAttribute.Of("beta", line.Offset))
        : Mask(Op("Greater", [a, Scalar(threshold)]));

    /// <summary>1 where a &lt; <paramref name="threshold"/>.</summary>
    public Value MaskLess(Value a, float threshold) => SteepLine(threshold) is { } line
        ? Op("HardSigmoid", [a], NodeAttribute.Of("alpha", -line.Slope), NodeAttribute.Of("beta", -line.Offset))
        : Mask(Op("Less", [a, Scalar(threshold)]));

    /// <summary>1 above 0, −1 below, 0 at 0.</summary>
    public Value Sign(Value a) => Sub(MaskGreater(a, 0), MaskLess(a, 0));

    /// <summary>
    /// A line through the threshold that is at least 1 at the next larger number and at most -1 at the next smaller one, so that clipping it to 0 and 1 is a comparison in one operator instead of two.
    /// Slopes are powers of two: products are exact, or infinite. Null where there is no such line.
    /// </summary>
    public static (float Slope, float Offset)? SteepLine(float threshold)
    {
        if (threshold == 0) return (SteepestSlope, 0);
        return Math.Abs(threshold) is >= SmallestThreshold and <= LargestThreshold ? (SteepSlope, -threshold * SteepSlope) : null;
    }

    /// <summary>A scalar constant.</summary>
    public Value Scalar(float value)
    {
        if (!scalars.TryGetValue(value, out var constant)) scalars[value] = constant = Constant(Tensor.Float([], value));
        return constant;
    }

    /// <summary>A constant.</summary>
    public Value Constant(Tensor tensor) => graph.AddInitializer("grad_constant", tensor);

    /// <summary>Zeros; large ones are made when the graph is opened.</summary>
    public Value Zeros(params long[] dims)
    {
        long count = Tensor.CountElements(dims);
        return count <= MaxStoredZeros || opset < 9 ? Constant(Tensor.Float(dims, new float[count])) : Op("ConstantOfShape", [Ints(dims)]);
    }

    /// <summary>A constant list of integers.</summary>
    public Value Ints(params long[] values)
    {
        string key = string.Join(',', values);
        if (!shapes.TryGetValue(key, out var constant)) shapes[key] = constant = Constant(Tensor.Int64([values.Length], values));
        return constant;
    }

    /// <summary>The same elements in another shape.</summary>
    public Value Reshape(Value a, params long[] dims)
    {
        // A zero would mean "as before".
        if (dims.Contains(0)) throw new NotSupportedException("an empty tensor has no gradient");
        return Op("Reshape", [a, Ints(dims)]);
    }

    /// <summary>Permutes axes.</summary>
    public Value Transpose(Value a, params int[] perm) => IsIdentity(perm) ? a : Op("Transpose", [a], NodeAttribute.Of("perm", [.. perm.Select(p => (long)p)]));

    /// <summary>Swaps the last two of <paramref name="rank"/> axes.</summary>
    public Value TransposeLast(Value a, int rank)
    {
        int[] perm = [.. Enumerable.Range(0, rank)];
        (perm[^1], perm[^2]) = (perm[^2], perm[^1]);
        return Transpose(a, perm);
    }

    /// <summary>Matrix product.</summary>
    public Value MatMul(Value a, Value b) => Op("MatMul", [a, b]);

    /// <summary>Sums over axes.</summary>
    public Value ReduceSum(Value a, IReadOnlyCollection<int> axes, bool keepDims = true)
    {
        if (axes.Count == 0) return a;
        long[] list = [.. axes.Select(x => (long)x)];
        var keep = NodeAttribute.Of("keepdims", keepDims ? 1L : 0L);
        return opset >= 13 ? Op("ReduceSum", [a, Ints(list)], keep) : Op("ReduceSum", [a], NodeAttribute.Of("axes", list), keep);
    }

    /// <summary>Repeats axes of size 1 up to <paramref name="dims"/>.</summary>
    public Value Expand(Value a, params long[] dims)
    {
        if (opset >= 8) return Op("Expand", [a, Ints(dims)]);
        var ones = new float[Tensor.CountElements(dims)];
        Array.Fill(ones, 1f);
        return Mul(a, Constant(Tensor.Float(dims, ones)));
    }

    /// <summary>Elements start, start + step, … before end along some axes; a negative step goes backwards.</summary>
    public Value Slice(Value a, long[] starts, long[] ends, long[] axes, long[]? steps = null)
    {
        steps ??= [.. axes.Select(_ => 1L)];
        if (opset >= 10) return Op("Slice", [a, Ints(starts), Ints(ends), Ints(axes), Ints(steps)]);
        if (steps.Any(s => s != 1)) throw new NotSupportedException("it needs slices with a step, which operator sets below 10 do not have");
        return Op("Slice", [a], NodeAttribute.Of("starts", starts), NodeAttribute.Of("ends", ends), NodeAttribute.Of("axes", axes));
    }

    /// <summary>Adds zeros at the beginning and end of all axes; negative counts take elements away.</summary>
    public Value Pad(Value a, long[] begins, long[] ends)
    {
        if (begins.All(b => b == 0) && ends.All(e => e == 0)) return a;
        long[] pads = [.. begins, .. ends];
        return opset >= 11 ? Op("Pad", [a, Ints(pads)]) : Op("Pad", [a], NodeAttribute.Of("pads", pads));
    }

    /// <summary>Joins along an axis.</summary>
    public Value Concat(IReadOnlyList<Value> parts, int axis) => parts.Count == 1 ? parts[0] : Op("Concat", [.. parts], NodeAttribute.Of("axis", (long)axis));

    /// <summary>Cuts into parts of given sizes along an axis.</summary>
    public IReadOnlyList<Value> Split(Value a, int axis, long[] lengths)
    {
        var names = lengths.Select((_, i) => $"grad_Split_{i}");
        var along = NodeAttribute.Of("axis", (long)axis);
        var node = opset >= 13 ? graph.AddNode("Split", [a, Ints(lengths)], names, [along]) : graph.AddNode("Split", [a], names, [along, NodeAttribute.Of("split", lengths)]);
        return [.. node.Outputs.Select(o => o!)];
    }

    /// <summary>Sums a gradient over the axes along which an operand of shape <paramref name="to"/> was repeated to shape <paramref name="from"/>.</summary>
    public Value SumTo(Value gradient, long[] from, long[] to)
    {
        if (from.AsSpan().SequenceEqual(to)) return gradient;
        int lead = from.Length - to.Length;
        var axes = Enumerable.Range(0, from.Length).Where(i => i < lead || (to[i - lead] == 1 && from[i] != 1)).ToArray();
        var sum = ReduceSum(gradient, axes);
        return lead == 0 ? sum : Reshape(sum, to);
    }

    private static bool IsIdentity(int[] perm)
    {
        for (int i = 0; i < perm.Length; i++)
            if (perm[i] != i) return false;
        return true;
    }
}
