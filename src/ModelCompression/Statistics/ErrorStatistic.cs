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
        if (expected.Length != actual.Length) return (0.0, double.PositiveInfinity);
        double signal = 0, noise = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            if (!float.IsFinite(expected[i])) continue;
            double error = (double)expected[i] - actual[i];
            signal += (double)expected[i] * expected[i];
            noise += double.IsFinite(error) ? error * error : double.PositiveInfinity;
        }

        return (signal, noise);
    }

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        var (signal, noise) = ((double, double))partial!;
        Signal += signal;
        Noise += noise;
    }
}
