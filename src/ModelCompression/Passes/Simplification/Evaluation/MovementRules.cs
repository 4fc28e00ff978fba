using ModelCompression.Onnx.Tensors;
using static ModelCompression.Passes.Simplification.Evaluation.ShapeMathEvaluator;

namespace ModelCompression.Passes.Simplification.Evaluation;

/// <summary>Operators that move elements of any type of at least a byte.</summary>
internal static class MovementRules
{
    public static Tensor? TryEvaluate(ConstantCall call)
    {
        if (call.Input(0) is not { } data || !CanMove(data)) return null;
        return call.Node.OpType switch
        {
            "Identity" => data,
            "Reshape" => Reshape(call, data),
            "Squeeze" => Squeeze(call, data),
            "Unsqueeze" => Unsqueeze(call, data),
            "Flatten" => Flatten(call, data),
            "Transpose" => Transpose(call, data),
            "Expand" => Expand(call, data),
            "Slice" => SliceRule.Slice(call, data),
            "Concat" => Concat(call, data),
            "Gather" => Gather(call, data),
            _ => null,
        };
    }

    /// <summary>Views a strided part of a tensor as a new one.</summary>
    public static Tensor? View(Tensor data, long[] dims, long[] strides, long offset = 0)
    {
        int width = data.DataType.BitWidth() / 8;
        return Make(data.DataType, dims, target => Broadcasting.Copy(data.AsSpan<byte>(), target, width, dims, strides, offset));
    }

    public static Tensor[]? Split(ConstantCall call)
    {
        if (call.Input(0) is not { Rank: > 0 } data || !CanMove(data)) return null;
        int axis = Axis(call.Node.GetInt("axis", 0), data.Rank);
        int count = call.Node.Outputs.Count;
        if (axis < 0 || count == 0) return null;
        long even = (data.Dims[axis] + count - 1) / count;
        long[] sizes = call.Integers(1, "split") ?? [.. Enumerable.Range(0, count).Select(i => Math.Min(even, data.Dims[axis] - (i * even)))];
        if (sizes.Length != count || sizes.Any(s => s < 0) || sizes.Sum() != data.Dims[axis]) return null;
        long[] strides = Broadcasting.Strides(data.Dims);
        var parts = new Tensor[count];
        long at = 0;
        for (int i = 0; i < count; i++)
        {
            long[] dims = data.Dims.ToArray();
            dims[axis] = sizes[i];
            if (View(data, dims, strides, at * strides[axis]) is not { } part) return null;
            parts[i] = part;
            at += sizes[i];
        }

        return parts;
    }

    private static bool CanMove(Tensor data) => data.DataType.BitWidth() >= 8 && data.ByteLength <= MaxByteLength;

    private static Tensor? Reshape(ConstantCall call, Tensor data)
    {
        if (call.Integers(1, "shape") is not { } shape) return null;
        bool zeroIsZero = call.Node.GetInt("allowzero", 0) != 0;
        int free = Array.IndexOf(shape, -1);
        long known = 1;
        for (int i = 0; i < shape.Length; i++)
        {
            if (shape[i] == 0 && !zeroIsZero)
            {
                if (i >= data.Rank) return null;
                shape[i] = data.Dims[i];
            }

            if (i != free) known = checked(known * shape[i]);
        }

        if (free >= 0)
        {
            if (known <= 0 || data.ElementCount % known != 0) return null;
            shape[free] = data.ElementCount / known;
        }

        return shape.Any(d => d < 0) || Tensor.CountElements(shape) != data.ElementCount ? null : data.Reshape(shape);
    }

    private static Tensor? Squeeze(ConstantCall call, Tensor data)
    {
        long[] dims = data.Dims.ToArray();
        if (call.Integers(1, "axes") is not { } axes) return data.Reshape([.. dims.Where(d => d != 1)]);
        var removed = axes.Select(a => Axis(a, dims.Length)).ToHashSet();
        if (removed.Any(a => a < 0 || dims[a] != 1)) return null;
        return data.Reshape([.. dims.Where((_, i) => !removed.Contains(i))]);
    }

    private static Tensor? Unsqueeze(ConstantCall call, Tensor data)
    {
        if (call.Integers(1, "axes") is not { } axes) return null;
        int rank = data.Rank + axes.Length;
        var added = axes.Select(a => Axis(a, rank)).ToHashSet();
        if (added.Contains(-1) || added.Count != axes.Length) return null;
        var dims = new long[rank];
        int next = 0;
        for (int i = 0; i < rank; i++) dims[i] = added.Contains(i) ? 1 : data.Dims[next++];
        return data.Reshape(dims);
    }

    private static Tensor? Flatten(ConstantCall call, Tensor data)
    {
        long axis = call.Node.GetInt("axis", 1);
        if (axis < 0) axis += data.Rank;
        if (axis < 0 || axis > data.Rank) return null;
        return data.Reshape(Tensor.CountElements(data.Dims[..(int)axis]), Tensor.CountElements(data.Dims[(int)axis..]));
    }

    private static Tensor? Transpose(ConstantCall call, Tensor data)
    {
        long[] order = call.Node.GetInts("perm")?.ToArray() ?? [.. Enumerable.Range(0, data.Rank).Reverse().Select(i => (long)i)];
        if (order.Length != data.Rank || !order.Order().SequenceEqual(Enumerable.Range(0, data.Rank).Select(i => (long)i))) return null;
        long[] from = data.Dims.ToArray();
        long[] strides = Broadcasting.Strides(from);
        return View(data, [.. order.Select(i => from[i])], [.. order.Select(i => strides[i])]);
    }

    private static Tensor? Expand(ConstantCall call, Tensor data)
    {
        if (call.Integers(1, "shape") is not { } shape || shape.Any(d => d < 0) || Broadcasting.CommonDims(data.Dims.ToArray(), shape) is not { } dims) return null;
        return View(data, dims, Broadcasting.BroadcastStrides(data.Dims, dims.Length));
    }

    private static Tensor? Concat(ConstantCall call, Tensor first)
    {
        int axis = Axis(call.Node.GetInt("axis", 1), first.Rank);
        if (axis < 0) return null;
        long[] dims = first.Dims.ToArray();
        dims[axis] = 0;
        foreach (var input in call.Inputs)
        {
            if (input is null || input.DataType != first.DataType || !CanMove(input) || input.Rank != first.Rank) return null;
            for (int i = 0; i < dims.Length; i++)
                if (i != axis && input.Dims[i] != dims[i]) return null;
            dims[axis] += input.Dims[axis];
        }

        int width = first.DataType.BitWidth() / 8;
        int row = (int)(Tensor.CountElements(dims.AsSpan(axis)) * width);
        return Make(first.DataType, dims, target =>
        {
            int at = 0;
            foreach (var input in call.Inputs)
            {
                int part = (int)(Tensor.CountElements(input!.Dims[axis..]) * width);
                var source = input.AsSpan<byte>();
                for (int i = 0; part > 0 && i * part < source.Length; i++) source.Slice(i * part, part).CopyTo(target.AsSpan((i * row) + at));
                at += part;
            }
        });
    }

    private static Tensor? Gather(ConstantCall call, Tensor data)
    {
        int axis = Axis(call.Node.GetInt("axis", 0), data.Rank);
        if (axis < 0 || call.Input(1) is not { DataType: DataType.Int64 or DataType.Int32 } where || !IsSmall(where.Dims)) return null;
        long[] indices = NumericData.TryRead(where)!.Integers!;
        long size = data.Dims[axis];
        if (indices.Any(i => i < -size || i >= size)) return null;
        int inner = (int)(Tensor.CountElements(data.Dims[(axis + 1)..]) * (data.DataType.BitWidth() / 8));
        long outer = Tensor.CountElements(data.Dims[..axis]);
        long[] dims = [.. data.Dims[..axis], .. where.Dims, .. data.Dims[(axis + 1)..]];
        return Make(data.DataType, dims, target =>
        {
            var source = data.AsSpan<byte>();
            int at = 0;
            for (long o = 0; o < outer; o++)
            {
                foreach (long index in indices)
                {
                    long row = (o * size) + (index < 0 ? index + size : index);
                    source.Slice((int)(row * inner), inner).CopyTo(target.AsSpan(at));
                    at += inner;
                }
            }
        });
    }
}
