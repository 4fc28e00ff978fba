using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Scales and zero points in the main graph; equal zero points are stored once.</summary>
internal sealed class StaticConstants(OnnxGraph graph)
{
    private readonly Dictionary<(DataType, int, int), Value> zeroPoints = [];
    private int scaleCount;

    /// <summary>Adds scales: a scalar, or one per channel.</summary>
    public Value Scales(float[] scales, bool perChannel) =>
        graph.AddInitializer(FormattableString.Invariant($"s{scaleCount++}"), Tensor.Float(perChannel ? [scales.Length] : [], scales));

    /// <summary>Adds factors of channels.</summary>
    public Value Factors(Tensor factors) => graph.AddInitializer(FormattableString.Invariant($"s{scaleCount++}"), factors);

    /// <summary>A zero point of an activation.</summary>
    public Value ZeroPoint(DataType type, int zeroPoint) => Get(type, zeroPoint, 0);

    /// <summary>Zero points that are 0: a scalar, or one per channel.</summary>
    public Value Zeros(DataType type, int? channels) => Get(type, 0, channels ?? 0);

    private Value Get(DataType type, int zeroPoint, int channels)
    {
        if (zeroPoints.TryGetValue((type, zeroPoint, channels), out var known)) return known;
        long[] dims = channels == 0 ? [] : [channels];
        int count = Math.Max(1, channels);
        var tensor = type switch
        {
            DataType.UInt8 => Tensor.Create(type, dims, Filled(count, (byte)zeroPoint)),
            DataType.UInt16 => Tensor.Create(type, dims, Filled(count, (ushort)zeroPoint)),
            DataType.Int32 => Tensor.Create(type, dims, Filled(count, zeroPoint)),
            _ => Tensor.Create(DataType.Int8, dims, Filled(count, (sbyte)zeroPoint)),
        };
        var value = graph.AddInitializer(FormattableString.Invariant($"z{zeroPoints.Count}"), tensor);
        zeroPoints.Add((type, zeroPoint, channels), value);
        return value;
    }

    private static T[] Filled<T>(int count, T value)
    {
        var array = new T[count];
        Array.Fill(array, value);
        return array;
    }
}
