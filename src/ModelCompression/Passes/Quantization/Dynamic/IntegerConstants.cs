using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Dynamic;

/// <summary>The constants of a weight in the graph that owns it; made once, whoever asks.</summary>
/// <param name="writers">Writers per graph.</param>
/// <param name="weight">The numbers.</param>
/// <param name="number">Position among the weights, for names.</param>
internal sealed class IntegerConstants(Dictionary<OnnxGraph, ConstantWriter> writers, IntegerWeight weight, int number)
{
    private readonly Dictionary<string, Value> made = new(StringComparer.Ordinal);

    /// <summary>The codes.</summary>
    public Value Codes => Once("codes", () => Writer.Codes(WeightNames.OfCodes(weight.Plan.Operand.Site.Value), weight.Codes));

    /// <summary>Zero points of the codes, or null when they are 0.</summary>
    public Value? ZeroPoints => weight.HasCommonZeroPoint && weight.ZeroPoints[0] == 0 && weight.Plan.Type == DataType.Int8
        ? null
        : Once("zero", () => Writer.Constant(Name("z"), ZeroPointTensor(weight.HasCommonZeroPoint ? [] : [weight.ZeroPoints.Length])));

    private ConstantWriter Writer
    {
        get
        {
            var target = weight.Plan.Target;
            if (!writers.TryGetValue(target.Graph, out var writer)) writers.Add(target.Graph, writer = new ConstantWriter(target));
            return writer;
        }
    }

    /// <summary>The zero points in a given shape, one per scale.</summary>
    public Value ZeroPointsOf(params long[] shape) => Once("zeros", () => Writer.Constant(Name("z"), ZeroPointTensor(shape)));

    /// <summary>Scales in a given shape, times a factor.</summary>
    public Value Scales(long[] shape, float factor = 1) =>
        Once(FormattableString.Invariant($"scale {factor} {string.Join(' ', shape)}"), () => Writer.Constant(Name("s"), Tensor.Float(shape, Array.ConvertAll(weight.Scales, s => s * factor))));

    private string Name(string suffix) => FormattableString.Invariant($"i{number}.{suffix}");

    private Tensor ZeroPointTensor(long[] shape)
    {
        byte[] zeroPoints = Array.ConvertAll(shape.Length == 0 ? weight.ZeroPoints[..1] : weight.ZeroPoints, z => (byte)z);
        return Tensor.Create(weight.Plan.Type, shape, zeroPoints);
    }

    private Value Once(string key, Func<Value> make)
    {
        if (!made.TryGetValue(key, out var value)) made.Add(key, value = make());
        return value;
    }
}
