using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>Sums of squares along the axes of weights; each axis of each weight is computed once.</summary>
internal sealed class ChannelEnergies
{
    private readonly Dictionary<(Tensor, int), double[]?> known = [];

    /// <summary>Σ w² per position of an axis, or null for a type without floating point elements.</summary>
    public IReadOnlyList<double>? Of(Tensor tensor, int axis)
    {
        if (!known.TryGetValue((tensor, axis), out var energy)) known.Add((tensor, axis), energy = Compute(tensor, axis));
        return energy;
    }

    private static double[]? Compute(Tensor tensor, int axis)
    {
        if (!tensor.DataType.IsFloatingPoint() || tensor.ElementCount > int.MaxValue) return null;
        var elements = FloatElements.AsFloat(tensor);
        var layout = ChannelLayout.Of(tensor.Dims, [axis]);
        return layout.Inner == 1 ? Columns(elements, layout) : Rows(elements, layout);
    }

    private static double[] Rows(Tensor elements, ChannelLayout layout)
    {
        var sums = new double[layout.Channels];
        Parallel.For(0, layout.Channels, channel =>
        {
            double sum = 0;
            for (int outer = 0; outer < layout.Outer; outer++) sum += SumOfSquares(elements.AsSpan<float>().Slice(((outer * layout.Channels) + channel) * layout.Inner, layout.Inner));
            sums[channel] = sum;
        });
        return sums;
    }

    /// <summary>The axis is the last one: rows are added up in blocks of fixed length, so the result does not depend on the number of threads.</summary>
    private static double[] Columns(Tensor elements, ChannelLayout layout)
    {
        const int RowsPerBlock = 64;
        var partial = new double[(layout.Outer + RowsPerBlock - 1) / RowsPerBlock][];
        Parallel.For(0, partial.Length, block =>
        {
            var sums = partial[block] = new double[layout.Channels];
            for (int row = block * RowsPerBlock; row < Math.Min(layout.Outer, (block + 1) * RowsPerBlock); row++)
                AddSquares(elements.AsSpan<float>().Slice(row * layout.Channels, layout.Channels), sums);
        });
        var total = new double[layout.Channels];
        foreach (var sums in partial)
            for (int i = 0; i < total.Length; i++) total[i] += sums[i];
        return total;
    }

    /// <summary>sums[i] += elements[i]².</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddSquares(ReadOnlySpan<float> elements, Span<double> sums)
    {
        int i = 0;
        for (; i <= elements.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector.Widen(new Vector<float>(elements[i..]), out var low, out var high);
            (new Vector<double>(sums[i..]) + (low * low)).CopyTo(sums[i..]);
            (new Vector<double>(sums[(i + Vector<double>.Count)..]) + (high * high)).CopyTo(sums[(i + Vector<double>.Count)..]);
        }

        for (; i < elements.Length; i++) sums[i] += (double)elements[i] * elements[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double SumOfSquares(ReadOnlySpan<float> elements)
    {
        var sum = Vector<double>.Zero;
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(elements);
        foreach (var vector in vectors)
        {
            Vector.Widen(vector, out var low, out var high);
            sum += (low * low) + (high * high);
        }

        double total = Vector.Sum(sum);
        foreach (float element in elements[(vectors.Length * Vector<float>.Count)..]) total += (double)element * element;
        return total;
    }
}
