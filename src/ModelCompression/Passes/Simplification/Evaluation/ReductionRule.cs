using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification.Evaluation;

/// <summary>Sum, product, maximum and minimum of integers; floating point sums depend on the order and are left to the runtime.</summary>
internal static class ReductionRule
{
    public static Tensor? Reduce(ConstantCall call)
    {
        if (NumericData.TryRead(call.Input(0)) is not { Integers: { } elements } data || elements.Length == 0) return null;
        int rank = data.Dims.Length;
        long[] axes = call.Integers(1, "axes") ?? [];
        if (axes.Length == 0 && call.Node.GetInt("noop_with_empty_axes", 0) != 0) return call.Input(0);
        var reduced = axes.Length == 0 ? [.. Enumerable.Range(0, rank)] : axes.Select(a => ShapeMathEvaluator.Axis(a, rank)).ToHashSet();
        if (reduced.Contains(-1)) return null;
        long[] kept = [.. data.Dims.Select((d, i) => reduced.Contains(i) ? 1 : d)];
        int[] target = Broadcasting.Offsets(data.Dims, Broadcasting.BroadcastStrides(kept, rank));
        var result = new long?[Tensor.CountElements(kept)];
        for (int i = 0; i < elements.Length; i++)
            result[target[i]] = result[target[i]] is { } sofar ? Combine(call.Node.OpType, sofar, elements[i]) : elements[i];
        long[] dims = call.Node.GetInt("keepdims", 1) != 0 ? kept : [.. data.Dims.Where((_, i) => !reduced.Contains(i))];
        return NumericData.Of(data.Type, dims, Array.ConvertAll(result, r => r!.Value)).TryWrite();
    }

    private static long Combine(string op, long a, long b) => op switch
    {
        "ReduceSum" => checked(a + b),
        "ReduceProd" => checked(a * b),
        "ReduceMax" => Math.Max(a, b),
        _ => Math.Min(a, b),
    };
}
