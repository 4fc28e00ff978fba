using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification;

/// <summary>What <see cref="IdentityRules"/> says of a node.</summary>
/// <param name="IsIdentity">True if the first output equals the first input bit for bit.</param>
/// <param name="Reason">Why it is one, or why a likely candidate is none; null for nodes that are not worth a word.</param>
internal readonly record struct IdentityVerdict(bool IsIdentity, string? Reason)
{
    public static IdentityVerdict Yes(string reason) => new(true, reason);

    public static IdentityVerdict No(string reason) => new(false, reason);
}

/// <summary>Knows which nodes return their first input unchanged, for opset 1–24.</summary>
/// <remarks>
/// <para>Dropout: before opset 7 <c>is_test</c> must be set, from 7 to 11 it always is inference, from 12 on the input <c>training_mode</c> must
/// be absent or a constant false. Cast and CastLike: the types are known and equal. Transpose: the permutation is the identity. Concat, Sum,
/// Max, Min, Mean: one input. Pad: all pads are a constant 0. Slice: constants ask for everything from the start with step 1. Mul and Div by a
/// constant 1, Sub of a constant 0, when the constant cannot change the shape. Add of 0 is kept for floats: −0 + 0 is +0.</para>
/// <para>Inside functions, nodes whose attributes are references are left alone.</para>
/// </remarks>
internal static class IdentityRules
{
    /// <summary>Judges one node.</summary>
    public static IdentityVerdict Judge(Node node, GraphScope scope)
    {
        if (!node.IsOnnxDomain || node.Input(0) is null || node.Output() is null || node.IsParameterized) return default;
        return node.OpType switch
        {
            "Identity" when QuantizedOperators.DefersPacking(node) => IdentityVerdict.No("MatMulNBits would pack its codes before its scales are known"),
            "Identity" => IdentityVerdict.Yes("Identity"),
            "Dropout" => Dropout(node, scope),
            "Cast" => Cast(node),
            "CastLike" => CastLike(node),
            "Transpose" => Transpose(node),
            "Concat" or "Sum" or "Max" or "Min" or "Mean" when node.Inputs.Count == 1 => IdentityVerdict.Yes($"{node.OpType} of one input"),
            "Pad" => Pad(node, scope),
            "Slice" => Slice(node, scope),
            "Mul" or "Div" or "Sub" or "Add" => NeutralOperand(node, scope),
            _ => default,
        };
    }

    private static IdentityVerdict Dropout(Node node, GraphScope scope)
    {
        if (scope.Opset < 7)
            return node.GetInt("is_test", 0) != 0 ? IdentityVerdict.Yes("Dropout with is_test") : IdentityVerdict.No("Dropout without is_test is in training mode");
        if (scope.Opset < 12 || node.Input(2) is not { } mode) return IdentityVerdict.Yes("Dropout in inference mode");
        if (!scope.TryGetFixed(mode, out var constant)) return IdentityVerdict.No("training_mode of Dropout is not constant");
        return constant.AsSpan<byte>()[0] == 0 ? IdentityVerdict.Yes("Dropout with training_mode false") : IdentityVerdict.No("Dropout is in training mode");
    }

    private static IdentityVerdict Cast(Node node)
    {
        var from = ElementType(node.Input(0));
        return from is not null && from == (DataType)node.GetInt("to", 0) ? IdentityVerdict.Yes("Cast to the type it has") : default;
    }

    private static IdentityVerdict CastLike(Node node)
    {
        var from = ElementType(node.Input(0));
        return from is not null && from == ElementType(node.Input(1)) ? IdentityVerdict.Yes("CastLike to the type it has") : default;
    }

    private static IdentityVerdict Transpose(Node node)
    {
        if (node.GetInts("perm") is not { } permutation)
            return Rank(node.Input(0)) is 0 or 1 ? IdentityVerdict.Yes("Transpose of a vector") : default;
        for (int i = 0; i < permutation.Count; i++)
            if (permutation[i] != i) return default;
        return IdentityVerdict.Yes("Transpose that keeps the order");
    }

    private static IdentityVerdict Pad(Node node, GraphScope scope)
    {
        if (scope.Opset < 11)
        {
            var pads = node.GetInts("pads") ?? node.GetInts("paddings");
            return pads is { Count: > 0 } && pads.All(p => p == 0) ? IdentityVerdict.Yes("Pad by nothing") : default;
        }

        return scope.TryGetFixed(node.Input(1), out var amounts) && Integers(amounts) is { } values && values.All(v => v == 0)
            ? IdentityVerdict.Yes("Pad by nothing")
            : default;
    }

    private static IdentityVerdict Slice(Node node, GraphScope scope)
    {
        var starts = scope.Opset < 10 ? node.GetInts("starts") : Fixed(node.Input(1), scope);
        var ends = scope.Opset < 10 ? node.GetInts("ends") : Fixed(node.Input(2), scope);
        if (starts is null || ends is null || !starts.All(s => s == 0) || !ends.All(e => e >= int.MaxValue)) return default;
        if (scope.Opset >= 10 && node.Input(4) is { } steps && Fixed(steps, scope)?.All(s => s == 1) != true) return default;
        return IdentityVerdict.Yes("Slice of everything");
    }

    private static IdentityVerdict NeutralOperand(Node node, GraphScope scope)
    {
        if (scope.Opset < 7 || !scope.TryGetFixed(node.Input(1), out var operand) || operand.ElementCount != 1) return default;
        // A constant of rank 0 never changes the shape; one of shape [1,…,1] does unless the other operand has as many axes.
        if (operand.Rank > 0 && !(Rank(node.Input(0)) >= operand.Rank)) return default;
        if (ConstantScalar.TryRead(operand) is not { } value) return default;
        bool neutral = node.OpType switch
        {
            "Mul" or "Div" => value == 1,
            "Sub" => value == 0 && !double.IsNegative(value),
            _ => value == 0 && (!operand.DataType.IsFloatingPoint() || double.IsNegative(value)),
        };
        return neutral ? IdentityVerdict.Yes(FormattableString.Invariant($"{node.OpType} with {value}")) : default;
    }

    private static IReadOnlyList<long>? Fixed(Value? value, GraphScope scope) => scope.TryGetFixed(value, out var tensor) ? Integers(tensor) : null;

    private static long[]? Integers(Tensor tensor) => tensor.DataType switch
    {
        DataType.Int64 => tensor.AsSpan<long>().ToArray(),
        DataType.Int32 => Array.ConvertAll(tensor.AsSpan<int>().ToArray(), v => (long)v),
        _ => null,
    };

    private static DataType? ElementType(Value? value) =>
        value is null ? null : value.TryGetConstant(out var tensor) ? tensor.DataType : value.TensorType?.ElementType;

    private static int? Rank(Value? value) =>
        value is null ? null : value.TryGetConstant(out var tensor) ? tensor.Rank : value.TensorType?.Shape?.Rank;
}
