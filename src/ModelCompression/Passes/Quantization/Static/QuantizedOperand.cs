using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>What integer operators take for a tensor: codes, scale and zero point.</summary>
/// <param name="Codes">Codes: what DequantizeLinear reads, or what QuantizeLinear returns.</param>
/// <param name="Scale">Binary32, a scalar or one per channel.</param>
/// <param name="ZeroPoint">In the type of the codes.</param>
internal sealed record QuantizedOperand(Value Codes, Value Scale, Value ZeroPoint)
{
    /// <summary>True with one scale for the whole tensor and codes of 8 bits, which is what integer operators take as activation.</summary>
    public bool IsActivation => ZeroPoint.TryGetConstant(out var zero) && zero is { Rank: 0, DataType: DataType.UInt8 or DataType.Int8 };

    /// <summary>Scale and zero point, in this order.</summary>
    public Value[] Parameters => [Scale, ZeroPoint];

    /// <summary>Codes, scale and zero point, in this order.</summary>
    public Value[] All => [Codes, Scale, ZeroPoint];

    /// <summary>What a DequantizeLinear turns into <paramref name="value"/>, or null.</summary>
    public static QuantizedOperand? Behind(Value? value) =>
        value?.Producer is { OpType: "DequantizeLinear" } node && node.Input(2) is { } zero ? new(node.Inputs[0]!, node.Inputs[1]!, zero) : null;

    /// <summary>What the only consumer of <paramref name="value"/>, a QuantizeLinear, makes of it, or null.</summary>
    public static QuantizedOperand? Of(Value value) =>
        value is { IsGraphOutput: false, IsReferencedByName: false, Uses: [var use] } && use is { Index: 0, Node.OpType: "QuantizeLinear" } && use.Node.Input(2) is { } zero
            ? new(use.Node.Outputs[0]!, use.Node.Inputs[1]!, zero)
            : null;

    /// <summary>True if equal codes stand for equal values.</summary>
    public bool HasSameMeaning(QuantizedOperand other) =>
        Scale.TryGetConstant(out var scale) && other.Scale.TryGetConstant(out var otherScale) && ZeroPoint.TryGetConstant(out var zero) && other.ZeroPoint.TryGetConstant(out var otherZero)
        && zero.DataType == otherZero.DataType && scale.AsSpan<float>().SequenceEqual(otherScale.AsSpan<float>()) && zero.AsSpan<byte>().SequenceEqual(otherZero.AsSpan<byte>());
}
