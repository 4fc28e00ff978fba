using ModelCompression.Onnx.Tensors;
using static ModelCompression.Passes.Simplification.Evaluation.ShapeMathEvaluator;

namespace ModelCompression.Passes.Simplification.Evaluation;

/// <summary>Slice with attributes (opset 1) and with inputs (opset 10), negative steps included.</summary>
internal static class SliceRule
{
    public static Tensor? Slice(ConstantCall call, Tensor data)
    {
        bool fromInputs = call.Opset >= 10;
        long[]? starts = call.Integers(1, "starts");
        long[]? ends = call.Integers(2, "ends");
        if (starts is null || ends is null || starts.Length != ends.Length) return null;
        long[] axes = call.Integers(3, "axes") ?? [.. Enumerable.Range(0, starts.Length).Select(i => (long)i)];
        long[] steps = (fromInputs ? call.Integers(4, "steps") : null) ?? [.. Enumerable.Repeat(1L, starts.Length)];
        if (axes.Length != starts.Length || steps.Length != starts.Length || steps.Contains(0)) return null;
        long[] dims = data.Dims.ToArray();
        long[] strides = Broadcasting.Strides(dims);
        long[] sizes = data.Dims.ToArray();
        long offset = 0;
        for (int i = 0; i < axes.Length; i++)
        {
            int axis = Axis(axes[i], dims.Length);
            if (axis < 0) return null;
            var (start, count) = Range(starts[i], ends[i], steps[i], sizes[axis]);
            offset += start * strides[axis];
            strides[axis] *= steps[i];
            dims[axis] = count;
        }

        return MovementRules.View(data, dims, strides, offset);
    }

    /// <summary>First index and number of indices, with the clamping that the operator prescribes for either direction.</summary>
    public static (long Start, long Count) Range(long start, long end, long step, long size)
    {
        if (size == 0) return (0, 0);
        if (start < 0) start += size;
        if (end < 0) end = end < -size ? -1 - size : end + size;
        if (step > 0)
        {
            start = Math.Clamp(start, 0, size);
            end = Math.Clamp(end, 0, size);
            return end <= start ? (0, 0) : (start, 1 + ((end - start - 1) / step));
        }

        start = Math.Clamp(start, 0, size - 1);
        end = Math.Clamp(end, -1, size - 1);
        return start <= end ? (0, 0) : (start, 1 + ((start - end - 1) / -step));
    }
}
