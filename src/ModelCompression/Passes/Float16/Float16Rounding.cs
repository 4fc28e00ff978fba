using System.Numerics.Tensors;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;
using Tensor = ModelCompression.Onnx.Tensors.Tensor;

namespace ModelCompression.Passes.Float16;

/// <summary>A binary32 tensor rounded to binary16.</summary>
/// <param name="Tensor">The rounded tensor.</param>
/// <param name="Noise">Energies of the tensor and of the rounding errors.</param>
/// <param name="Overflows">Elements that were larger than 65504 and became that.</param>
/// <param name="Underflows">Elements other than zero that would have become zero and became 2⁻²⁴ ≈ 5.96e-8 with their sign.</param>
internal sealed record Float16Tensor(Tensor Tensor, QuantizationNoise Noise, long Overflows, long Underflows);

/// <summary>Rounds binary32 to binary16, to nearest with ties to even.</summary>
/// <remarks>
/// Magnitudes are kept within [2⁻²⁴, 65504]: a number that is not zero stays so, since something may be divided by it, and a large one stays finite, since
/// a mask of −3.4e38 must not turn into infinity times zero.
/// </remarks>
internal static class Float16Rounding
{
    private static readonly Half Smallest = Half.Epsilon;

    /// <summary>The same numbers as binary16; null when it does not hold all of them.</summary>
    public static Tensor? TryNarrowExactly(Tensor tensor)
    {
        const int chunkLength = 4096;
        var source = tensor.AsSpan<float>();
        var halves = new Half[source.Length];
        var back = new float[Math.Min(chunkLength, source.Length)];
        for (int at = 0; at < source.Length; at += chunkLength)
        {
            var chunk = source.Slice(at, Math.Min(chunkLength, source.Length - at));
            TensorPrimitives.ConvertToHalf(chunk, halves.AsSpan(at));
            TensorPrimitives.ConvertToSingle(halves.AsSpan(at, chunk.Length), back);
            if (!chunk.SequenceEqual(back.AsSpan(0, chunk.Length))) return null;
        }

        return Tensor.Create(DataType.Float16, tensor.Dims, halves);
    }

    /// <summary>Rounds a tensor; null when it has NaN or infinite elements.</summary>
    public static Float16Tensor? TryRound(Tensor tensor)
    {
        var source = tensor.AsSpan<float>();
        var rounded = new Half[source.Length];
        TensorPrimitives.ConvertToHalf(source, rounded);
        double signal = 0, noise = 0;
        long overflows = 0, underflows = 0;
        for (int i = 0; i < source.Length; i++)
        {
            float exact = source[i];
            if (!float.IsFinite(exact)) return null;
            if (Half.IsInfinity(rounded[i]))
            {
                rounded[i] = exact > 0 ? Half.MaxValue : Half.MinValue;
                overflows++;
            }
            else if (exact != 0 && rounded[i] == Half.Zero)
            {
                rounded[i] = exact > 0 ? Smallest : -Smallest;
                underflows++;
            }

            double error = exact - (double)rounded[i];
            signal += (double)exact * exact;
            noise += error * error;
        }

        return new(Tensor.Create(DataType.Float16, tensor.Dims, rounded), new(signal, noise), overflows, underflows);
    }
}
