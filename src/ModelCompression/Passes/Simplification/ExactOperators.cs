using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification;

/// <summary>Type and largest shape of a result that has not been computed yet.</summary>
internal sealed record TensorBound(DataType Type, long[] Dims)
{
    public long ByteLength => Type.ByteLength(Tensor.CountElements(Dims));

    /// <inheritdoc/>
    public override string ToString() => $"{Type}[{string.Join(',', Dims)}]";
}

/// <summary>
/// Operators left to a runtime for folding: those whose result is the same on every CPU (they move elements, work on integers, or round a
/// single IEEE operation) and whose size is bounded before they run.
/// </summary>
internal static class ExactOperators
{
    /// <summary>Longest result in bytes that a runtime is asked for.</summary>
    private const long MaxByteLength = 1 << 30;

    /// <summary>
    /// Takes a node whose inputs are constants or outputs of nodes taken before: adds its constants, and for each output the largest shape it can have.
    /// </summary>
    public static bool TryBound(Node node, GraphScope scope, Dictionary<Value, TensorBound> bounds, Dictionary<Value, Tensor> constants)
    {
        if (!KnownValues.CanReplace(node) || node.Inputs.Count == 0) return false;
        var inputs = new List<(Value Value, Tensor Tensor)>();
        foreach (var input in node.Inputs)
        {
            if (input is null) continue;
            if (!scope.TryGetFixed(input, out var tensor) || tensor.Strings is not null) return false;
            inputs.Add((input, tensor));
        }

        if (inputs.Count == 0 || Bound(node, scope, inputs[0].Tensor, [.. inputs.Select(i => i.Tensor)]) is not { } bound || bound.ByteLength > MaxByteLength) return false;
        foreach (var (value, tensor) in inputs) constants[value] = tensor;
        foreach (var output in node.Outputs)
            if (output is not null) bounds[output] = bound;
        return true;
    }

    private static TensorBound? Bound(Node node, GraphScope scope, Tensor first, Tensor[] inputs)
    {
        bool isInteger = first.DataType is DataType.Int64 or DataType.Int32;
        switch (node.OpType)
        {
            case "Trilu" or "ScatterElements" or "ScatterND" or "Scatter" or "ReverseSequence" or "DepthToSpace" or "SpaceToDepth":
            case "Neg" or "Abs" or "Floor" or "Ceil" or "Sign" or "Round" or "Not" or "BitwiseNot" or "Compress" or "ReduceMax" or "ReduceMin":
            case "CumSum" or "ReduceSum" or "ReduceProd" when isInteger:
                return new(first.DataType, first.Dims.ToArray());
            case "Max" or "Min" when isInteger:
                return Broadcast(inputs, first.DataType);
            case "Add" or "Sub" or "Mul" or "Div" or "BitShift" or "BitwiseAnd" or "BitwiseOr" or "BitwiseXor" or "And" or "Or" or "Xor" when scope.Opset >= 7:
                return Broadcast(inputs, first.DataType);
            case "Equal" or "Less" or "Greater" or "LessOrEqual" or "GreaterOrEqual" when scope.Opset >= 7:
                return Broadcast(inputs, DataType.Bool);
            case "Where" when inputs.Length == 3:
                return Broadcast(inputs, inputs[1].DataType);
            case "GatherElements" when inputs.Length == 2:
                return new(first.DataType, inputs[1].Dims.ToArray());
            case "ArgMax" or "ArgMin":
                return new(DataType.Int64, first.Dims.ToArray());
            case "Cast" when (DataType)node.GetInt("to", 0) is var to && to.BitWidth() > 0:
                return new(to, first.Dims.ToArray());
            default:
                return null;
        }
    }

    private static TensorBound? Broadcast(Tensor[] inputs, DataType type) =>
        Evaluation.Broadcasting.CommonDims([.. inputs.Select(i => i.Dims.ToArray())]) is { } dims ? new(type, dims) : null;
}
