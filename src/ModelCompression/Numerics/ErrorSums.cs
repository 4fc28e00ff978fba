using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics;

/// <summary>Σr² and Σ(r − x)² of two spans in binary64, eight elements at a time: the same on every processor.</summary>
internal static class ErrorSums
{
    /// <summary>Sums over the finite r; Σ(r − x)² is infinite when some x is not finite where r is.</summary>
    /// <param name="reference">r.</param>
    /// <param name="actual">x, as many.</param>
    public static (double Signal, double Noise) Of(ReadOnlySpan<float> reference, ReadOnlySpan<float> actual)
    {
        ReadOnlySpan<Vector256<float>> expected = MemoryMarshal.Cast<float, Vector256<float>>(reference), found = MemoryMarshal.Cast<float, Vector256<float>>(actual[..reference.Length]);
        Vector256<double> signalLow = default, signalHigh = default, noiseLow = default, noiseHigh = default;
        for (int i = 0; i < expected.Length; i++)
        {
            var (r, x) = (expected[i], found[i]);
            Vector256<double> low = Vector256.WidenLower(r), high = Vector256.WidenUpper(r), errorLow = low - Vector256.WidenLower(x), errorHigh = high - Vector256.WidenUpper(x);
            signalLow += low * low;
            signalHigh += high * high;
            noiseLow += errorLow * errorLow;
            noiseHigh += errorHigh * errorHigh;
        }

        int done = expected.Length * Vector256<float>.Count;
        var rest = OneByOne(reference[done..], actual[done..]);
        double signal = Vector256.Sum(signalLow + signalHigh) + rest.Signal, noise = Vector256.Sum(noiseLow + noiseHigh) + rest.Noise;
        // Squares of binary32 do not overflow binary64: what is not finite was not to begin with.
        return double.IsFinite(signal) && double.IsFinite(noise) ? (signal, noise) : OneByOne(reference, actual);
    }

    private static (double Signal, double Noise) OneByOne(ReadOnlySpan<float> reference, ReadOnlySpan<float> actual)
    {
        double signal = 0, noise = 0;
        for (int i = 0; i < reference.Length; i++)
        {
            if (!float.IsFinite(reference[i])) continue;
            double error = (double)reference[i] - actual[i];
            signal += (double)reference[i] * reference[i];
            noise += double.IsFinite(error) ? error * error : double.PositiveInfinity;
        }

        return (signal, noise);
    }
}
