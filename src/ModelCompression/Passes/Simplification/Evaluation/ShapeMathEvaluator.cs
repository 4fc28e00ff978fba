using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification.Evaluation;

/// <summary>One node with constant inputs.</summary>
/// <param name="Node">The node.</param>
/// <param name="Opset">Version of the standard operator set.</param>
/// <param name="Inputs">Inputs; null for omitted ones.</param>
internal sealed record ConstantCall(Node Node, long Opset, IReadOnlyList<Tensor?> Inputs)
{
    public Tensor? Input(int index) => index < Inputs.Count ? Inputs[index] : null;

    /// <summary>Integers of an input, or of the attribute that older operator sets have in its place; null when there are none.</summary>
    public long[]? Integers(int index, string attribute) =>
        Input(index) is { } tensor ? NumericData.TryRead(tensor)?.Integers : Node.GetInts(attribute)?.ToArray();
}

/// <summary>
/// Evaluates the operators of which exporters build shapes, and those that only move elements. Everything here is exact, so that the same
/// model gives the same bytes on every machine; operators whose rounding differs between CPUs are not among them.
/// </summary>
internal static class ShapeMathEvaluator
{
    /// <summary>Results up to this size are computed at once, larger ones when they are wanted; arithmetic is done up to this size only.</summary>
    public const long EagerByteLength = 64 * 1024;

    /// <summary>Largest result at all.</summary>
    public const long MaxByteLength = int.MaxValue / 2;

    /// <summary>The outputs in order, or null when the node is not one this class evaluates.</summary>
    public static Tensor[]? TryEvaluate(ConstantCall call)
    {
        if (!call.Node.IsOnnxDomain) return null;
        try
        {
            if (call.Node.OpType == "Split") return MovementRules.Split(call);
            var result = MovementRules.TryEvaluate(call) ?? ArithmeticRules.TryEvaluate(call) ?? CreationRules.TryEvaluate(call);
            return result is null ? null : [result];
        }
        catch (ArithmeticException)
        {
            // A division by zero or an overflow: what that gives is for the runtime to say.
            return null;
        }
    }

    /// <summary>Makes a tensor whose bytes <paramref name="fill"/> writes, now or later depending on their number; null when there are too many.</summary>
    public static Tensor? Make(DataType type, long[] dims, Action<byte[]> fill)
    {
        long length = type.ByteLength(Tensor.CountElements(dims));
        if (length > MaxByteLength) return null;
        if (length > EagerByteLength) return new Tensor(type, dims, new ComputedTensorData(length, fill));
        byte[] bytes = new byte[length];
        fill(bytes);
        return Tensor.Create(type, dims, bytes);
    }

    /// <summary>True if that many elements are few enough for arithmetic.</summary>
    public static bool IsSmall(ReadOnlySpan<long> dims) => Tensor.CountElements(dims) <= EagerByteLength / sizeof(long);

    /// <summary>An axis counted from the front, or −1 when it is out of range.</summary>
    public static int Axis(long axis, int rank) => axis < -rank || axis >= rank ? -1 : (int)(axis < 0 ? axis + rank : axis);
}
