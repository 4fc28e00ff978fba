using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.NBits;

/// <summary>Rounds a few elements the other way, so that the errors of a group cancel.</summary>
/// <remarks>
/// What a layer sums over often has a mean: outputs of ReLU, GELU, Sigmoid, Softmax are mostly positive. The part of the error that goes with the mean is
/// mean · Σ (w − ŵ), the same for every input, and adds up through a network. Rounding to nearest leaves Σ (w − ŵ) of some √(n/12) steps in a group of n; moving the
/// elements that lie nearest to the middle between two codes makes it half a step at most and costs a few percent of Σ (w − ŵ)² (Guo et al., "SQuant: On-the-fly data-free
/// quantization via diagonal Hessian approximation", ICLR 2022). What remains of a group is carried to the next one of the same row. Zeros stay zeros.
/// </remarks>
internal static class SumPreservingRounding
{
    private const int MostOnStack = 512;

    /// <summary>Moves codes and returns by how much Σ (x − x̂)² has changed.</summary>
    /// <param name="x">Elements.</param>
    /// <param name="map">Their map.</param>
    /// <param name="highest">The highest code.</param>
    /// <param name="codes">Codes rounded to nearest.</param>
    /// <param name="carry">Σ (x − x̂) of what came before in the row; receives it with this group.</param>
    public static double Apply(ReadOnlySpan<float> x, GroupMap map, int highest, Span<byte> codes, ref double carry)
    {
        Span<float> rest = x.Length <= MostOnStack ? stackalloc float[x.Length] : new float[x.Length];
        RoundingRests.Compute(x, map, codes, rest);
        double sum = 0, change = 0;
        foreach (var v in MemoryMarshal.Cast<float, Vector256<float>>(rest)) sum += Lanes.Sum(v);
        for (int i = rest.Length / Vector256<float>.Count * Vector256<float>.Count; i < rest.Length; i++) sum += rest[i];

        double wanted = sum + (carry / map.Scale);
        int moves = (int)Math.Min(Math.Round(Math.Abs(wanted), MidpointRounding.ToEven), x.Length);
        int direction = Math.Sign(wanted);
        for (int move = 0; move < moves; move++)
        {
            int best = -1;
            float furthest = 0;
            for (int i = 0; i < rest.Length; i++)
            {
                float residual = rest[i] * direction;
                if (residual <= furthest || x[i] == 0 || (uint)(codes[i] + direction) > highest) continue;
                (best, furthest) = (i, residual);
            }

            // Elements that were clipped have no code on that side.
            if (best < 0) break;
            codes[best] = (byte)(codes[best] + direction);
            rest[best] -= direction;
            sum -= direction;
            change += (1 - (2.0 * furthest)) * map.Scale * map.Scale;
        }

        carry += sum * map.Scale;
        return change;
    }
}
