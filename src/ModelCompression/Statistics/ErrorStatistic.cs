using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>How far a tensor is from what another model gave for the same samples: Σr² and Σ(r − x)² in binary64.</summary>
/// <param name="reference">The reference r of each sample.</param>
public sealed class ErrorStatistic(CaptureStatistic reference) : TensorStatistic
{
    /// <summary>Σr² over finite reference elements.</summary>
    public double Signal { get; private set; }

    /// <summary>Σ(r − x)²; infinite when shapes differ or x is not finite where r is.</summary>
    public double Noise { get; private set; }

    /// <summary>Noise/signal; 0 when there is no noise.</summary>
    public double NoiseToSignal => Noise == 0 ? 0 : Noise / Signal;

    /// <inheritdoc/>
    public override object? Measure(TensorView x)
    {
        float[] expected = reference.Samples[x.Sample];
        var actual = x.Data;
        return expected.Length == actual.Length ? ErrorSums.Of(expected, actual) : (0.0, double.PositiveInfinity);
    }

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        var (signal, noise) = ((double, double))partial!;
        Signal += signal;
        Noise += noise;
    }
}
