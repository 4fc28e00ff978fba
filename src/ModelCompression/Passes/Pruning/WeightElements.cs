using System.Numerics;
using System.Runtime.InteropServices;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Pruning;

/// <summary>A weight in chunks of fixed length, so that work and its results do not depend on the number of threads.</summary>
internal abstract class WeightElements(Tensor tensor)
{
    public const int ChunkLength = 1 << 17;

    /// <summary>The weight.</summary>
    public Tensor Tensor { get; } = tensor;

    /// <summary>Number of chunks.</summary>
    public int ChunkCount => checked((int)((Tensor.ElementCount + ChunkLength - 1) / ChunkLength));

    /// <summary>Wraps a tensor, or null when its type is not a floating point type that can be pruned or it is too large for one array.</summary>
    public static WeightElements? TryCreate(Tensor tensor) => tensor.ElementCount > Array.MaxLength ? null : tensor.DataType switch
    {
        DataType.Float => new WeightElements<uint, Binary32>(tensor),
        DataType.Float16 => new WeightElements<ushort, Binary16>(tensor),
        DataType.BFloat16 => new WeightElements<ushort, BrainFloat16>(tensor),
        DataType.Double => new WeightElements<ulong, Binary64>(tensor),
        _ => null,
    };

    /// <summary>True if any element is NaN.</summary>
    public abstract bool HasNaN();

    /// <summary>Counts the elements of a chunk by <c>key &gt;&gt; shift &amp; mask</c>, of those whose <c>key &gt;&gt; prefixShift</c> is <paramref name="prefix"/>.</summary>
    public abstract void CountKeys(int chunk, int prefixShift, uint prefix, int shift, Span<long> counts);

    /// <summary>Copies the weight with the elements below a threshold set to +0.</summary>
    /// <param name="threshold">Elements with smaller keys go; its ties are spent in element order.</param>
    public abstract PrunedElements PruneBelow(MagnitudeThreshold threshold);

    /// <summary>Copies the weight with all but the <paramref name="n"/> largest of every <paramref name="m"/> elements along an axis set to +0.</summary>
    public abstract PrunedElements PruneNOfM(int axis, int n, int m);

    /// <summary>Copies the weight with the elements set to +0 whose score is zero.</summary>
    /// <param name="scores">As many as the weight has elements.</param>
    public abstract PrunedElements PruneWhereZero(ReadOnlySpan<float> scores);

    /// <summary>The part of a span that is a chunk.</summary>
    protected static Range ChunkRange(int chunk, long count) =>
        new(chunk * ChunkLength, (int)Math.Min((long)(chunk + 1) * ChunkLength, count));
}

/// <summary>A copy of a weight with zeros in it; further edits are allowed until <see cref="ToTensor"/>.</summary>
internal abstract class PrunedElements
{
    /// <summary>Puts back the largest element of every channel that has lost all of its non-zero elements; returns how many.</summary>
    public abstract int RestoreEmptyChannels(ChannelLayout layout);

    /// <summary>Compares with the original.</summary>
    public abstract PruningMeasure Measure();

    /// <summary>The result.</summary>
    public abstract Tensor ToTensor();
}

/// <summary>What pruning did to a weight.</summary>
/// <param name="Zeros">Elements that are zero.</param>
/// <param name="Loss">Squares of the original's elements and of what they have lost.</param>
/// <param name="Kept">Squares of the result's elements.</param>
internal readonly record struct PruningMeasure(long Zeros, QuantizationNoise Loss, double Kept)
{
    /// <summary>Writes the outcome into a report.</summary>
    public void WriteTo(LayerRecord record, long elementCount)
    {
        record.Prune(Zeros / (double)Math.Max(1, elementCount));
        record.Lose(LossStep.Pruning, Loss, Kept);
    }
}

/// <inheritdoc cref="WeightElements"/>
internal sealed class WeightElements<TBits, TMagnitude>(Tensor tensor) : WeightElements(tensor)
    where TBits : unmanaged, IBinaryInteger<TBits>
    where TMagnitude : struct, IMagnitude<TBits>
{
    private ReadOnlySpan<TBits> Bits => Tensor.AsSpan<TBits>();

    public override bool HasNaN()
    {
        var found = new bool[ChunkCount];
        Parallel.For(0, ChunkCount, chunk => found[chunk] = HasNaN(Bits[ChunkRange(chunk, Tensor.ElementCount)]));
        return found.AsSpan().Contains(true);
    }

    public override void CountKeys(int chunk, int prefixShift, uint prefix, int shift, Span<long> counts)
    {
        uint mask = (uint)counts.Length - 1;
        foreach (var bits in Bits[ChunkRange(chunk, Tensor.ElementCount)])
        {
            uint key = TMagnitude.Key(bits);
            if (key >> prefixShift == prefix) counts[(int)((key >> shift) & mask)]++;
        }
    }

    public override PrunedElements PruneBelow(MagnitudeThreshold threshold)
    {
        var ties = TiesOf(threshold);
        var result = GC.AllocateUninitializedArray<TBits>((int)Tensor.ElementCount);
        Parallel.For(0, ChunkCount, chunk =>
        {
            var range = ChunkRange(chunk, Tensor.ElementCount);
            ZeroBelow(Bits[range], threshold.Key, ties[chunk], result.AsSpan(range));
        });
        return new PrunedElements<TBits, TMagnitude>(Tensor, result);
    }

    public override PrunedElements PruneNOfM(int axis, int n, int m)
    {
        var result = GC.AllocateUninitializedArray<TBits>((int)Tensor.ElementCount);
        NOfMKernel<TBits, TMagnitude>.Run(Tensor, axis, n, m, result);
        return new PrunedElements<TBits, TMagnitude>(Tensor, result);
    }

    public override PrunedElements PruneWhereZero(ReadOnlySpan<float> scores)
    {
        var result = Bits.ToArray();
        for (int i = 0; i < result.Length; i++)
            if (scores[i] == 0) result[i] = TBits.Zero;
        return new PrunedElements<TBits, TMagnitude>(Tensor, result);
    }

    /// <summary>How many elements equal to the threshold each chunk may remove.</summary>
    private long[] TiesOf(MagnitudeThreshold threshold)
    {
        var ties = new long[ChunkCount];
        if (threshold.Ties == 0) return ties;
        Parallel.For(0, ChunkCount, chunk =>
        {
            foreach (var bits in Bits[ChunkRange(chunk, Tensor.ElementCount)])
                if (TMagnitude.Key(bits) == threshold.Key) ties[chunk]++;
        });
        for (int chunk = 0; chunk < ties.Length; chunk++) ties[chunk] = threshold.TakeTies(ties[chunk]);
        return ties;
    }

    private static bool HasNaN(ReadOnlySpan<TBits> elements)
    {
        var mask = new Vector<TBits>(TMagnitude.MagnitudeMask);
        var infinity = new Vector<TBits>(TMagnitude.Infinity);
        var vectors = MemoryMarshal.Cast<TBits, Vector<TBits>>(elements);
        foreach (var vector in vectors)
            if (Vector.GreaterThanAny(vector & mask, infinity)) return true;
        foreach (var bits in elements[(vectors.Length * Vector<TBits>.Count)..])
            if ((bits & TMagnitude.MagnitudeMask) > TMagnitude.Infinity) return true;
        return false;
    }

    private static void ZeroBelow(ReadOnlySpan<TBits> elements, uint threshold, long ties, Span<TBits> result)
    {
        int i = 0;
        if (typeof(TMagnitude) == typeof(Binary32) && ties == 0)
        {
            var mask = new Vector<TBits>(TMagnitude.MagnitudeMask);
            var limit = new Vector<TBits>(TBits.CreateTruncating(threshold));
            for (; i <= elements.Length - Vector<TBits>.Count; i += Vector<TBits>.Count)
            {
                var vector = new Vector<TBits>(elements[i..]);
                (vector & Vector.GreaterThanOrEqual(vector & mask, limit)).CopyTo(result[i..]);
            }
        }

        for (; i < elements.Length; i++)
        {
            uint key = TMagnitude.Key(elements[i]);
            bool goes = key < threshold || (key == threshold && ties-- > 0);
            result[i] = goes ? TBits.Zero : elements[i];
        }
    }
}
