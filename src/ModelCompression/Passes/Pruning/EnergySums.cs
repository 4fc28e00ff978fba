using System.Numerics;
using System.Runtime.InteropServices;

namespace ModelCompression.Passes.Pruning;

/// <summary>Sums over one chunk of a pruned weight.</summary>
internal struct EnergySums
{
    /// <summary>Squares of what stayed.</summary>
    public double Kept;

    /// <summary>Squares of what went.</summary>
    public double Removed;

    /// <summary>Zeros after.</summary>
    public long Zeros;

    /// <summary>Sums over binary32 elements, accumulated in binary64.</summary>
    public static EnergySums Of(ReadOnlySpan<float> before, ReadOnlySpan<float> after)
    {
        var kept = Vector<double>.Zero;
        var removed = Vector<double>.Zero;
        var zeros = Vector<int>.Zero;
        var beforeVectors = MemoryMarshal.Cast<float, Vector<float>>(before);
        var afterVectors = MemoryMarshal.Cast<float, Vector<float>>(after);
        for (int i = 0; i < beforeVectors.Length; i++)
        {
            Vector.Widen(afterVectors[i], out var low, out var high);
            kept += (low * low) + (high * high);
            Vector.Widen(beforeVectors[i] - afterVectors[i], out low, out high);
            removed += (low * low) + (high * high);
            zeros -= Vector.Equals(afterVectors[i], Vector<float>.Zero);
        }

        var sums = new EnergySums { Kept = Vector.Sum(kept), Removed = Vector.Sum(removed), Zeros = Vector.Sum(zeros) };
        for (int i = beforeVectors.Length * Vector<float>.Count; i < before.Length; i++)
        {
            double gone = (double)before[i] - after[i];
            sums.Kept += (double)after[i] * after[i];
            sums.Removed += gone * gone;
            if (after[i] == 0) sums.Zeros++;
        }

        return sums;
    }
}
