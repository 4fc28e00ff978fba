namespace ModelCompression.Numerics;

/// <summary>Energies of a signal and of its difference to an approximation.</summary>
/// <param name="Signal">Σ x².</param>
/// <param name="Noise">Σ (x − x̂)².</param>
internal readonly record struct QuantizationNoise(double Signal, double Noise)
{
    /// <summary>10·log10(Σx² / Σ(x−x̂)²) in dB; +∞ without noise, −∞ with noise but no signal.</summary>
    public double SqnrDb => Noise == 0 ? double.PositiveInfinity : 10 * Math.Log10(Signal / Noise);

    /// <summary>Σ(x−x̂)² / Σx²; 0 without noise.</summary>
    public double NoiseToSignal => Noise == 0 ? 0 : Noise / Signal;

    /// <summary>Adds the energies of two parts.</summary>
    public static QuantizationNoise operator +(QuantizationNoise a, QuantizationNoise b) => new(a.Signal + b.Signal, a.Noise + b.Noise);
}
