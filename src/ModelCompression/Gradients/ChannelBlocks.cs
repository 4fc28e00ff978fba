using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients;

/// <summary>Values [N, C, H, W] that a runtime keeps with their channels in blocks, from convolution to convolution. What is computed of them in operators that know this layout needs no copies.</summary>
/// <param name="emit">Adds nodes.</param>
/// <param name="isOn">False where convolutions do not run in blocks.</param>
internal sealed class ChannelBlocks(GradientEmitter emit, bool isOn)
{
    /// <summary>Channels that ONNX Runtime keeps together at most.</summary>
    private const long RuntimeBlock = 16;

    private readonly Dictionary<Value, bool> known = new(ReferenceEqualityComparer.Instance);

    /// <summary>True for a value in blocks.</summary>
    public bool Has(Value value, long[] dims) => isOn && dims.Length == 4 && dims[2] * dims[3] > 1 && Fits(dims[1]) && IsBlocked(value);

    /// <summary>True for numbers of channels that make whole blocks.</summary>
    public static bool Fits(long channels) => channels % RuntimeBlock == 0;

    /// <summary>A line of each element, clipped to 0 and 1. Of what a runtime knows in blocks only convolutions are followed by such a function.</summary>
    /// <param name="value">[N, C, H, W].</param>
    /// <param name="channels">C.</param>
    /// <param name="line">The line.</param>
    public Value Steps(Value value, long channels, (float Slope, float Offset) line)
    {
        var slopes = new float[channels];
        Array.Fill(slopes, line.Slope);
        var offsets = new float[channels];
        Array.Fill(offsets, line.Offset);
        var scaled = emit.Op("Conv", [value, emit.Constant(Tensor.Float([channels, 1, 1, 1], slopes)), emit.Constant(Tensor.Float([channels], offsets))],
            NodeAttribute.Of("kernel_shape", [1L, 1L]), NodeAttribute.Of("group", channels));
        return emit.Op("HardSigmoid", [scaled], NodeAttribute.Of("alpha", 1f), NodeAttribute.Of("beta", 0f));
    }

    /// <summary>Sums of a·b per channel, [C].</summary>
    public Value SumsOfProducts(Value a, Value b, long[] dims)
    {
        var means = emit.Op("GlobalAveragePool", [emit.Mul(a, b)]);
        return emit.Mul(emit.Reshape(emit.ReduceSum(means, [0]), dims[1]), dims[2] * dims[3]);
    }

    /// <summary>True for what convolutions make, and for what follows them in their layout.</summary>
    private bool IsBlocked(Value value)
    {
        if (value.Producer is not { IsOnnxDomain: true } node) return false;
        if (!known.TryGetValue(value, out bool result)) known[value] = result = node.OpType switch
        {
            "Conv" => true,
            "Relu" or "Clip" or "HardSigmoid" or "AveragePool" => node.Input(0) is { } input && IsBlocked(input),
            "Add" or "Mul" => node.Inputs.All(i => i is not null && IsBlocked(i)),
            _ => false,
        };
        return result;
    }
}
