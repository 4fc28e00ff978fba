namespace ModelCompression.Pipeline.Search;

/// <summary>
/// How noise of a weight becomes noise of the output: a power law through one or two measured points. Small errors go through a network almost linearly, so that powers are proportional;
/// large ones are damped or amplified, which the second point shows.
/// </summary>
internal sealed class NoiseCurve
{
    private const double MinSlope = 0.6;
    private const double MaxSlope = 1.6;
    private const double Floor = 1e-12;

    private readonly double x;
    private readonly double y;
    private readonly double slope;

    private NoiseCurve(double x, double y, double slope) => (this.x, this.y, this.slope) = (x, y, slope);

    /// <summary>Fits measured (weight noise, output noise) pairs; null when there is none with noise in the weight.</summary>
    public static NoiseCurve? Through(IReadOnlyList<(double Weight, double Output)> points)
    {
        var usable = points.Where(p => p.Weight > 0).Select(p => (X: Math.Log(p.Weight), Y: Math.Log(Math.Max(p.Output, Floor)))).OrderBy(p => p.X).ToArray();
        if (usable.Length == 0) return null;
        var (x0, y0) = usable[0];
        var (x1, y1) = usable[^1];
        double slope = x1 - x0 > 0.1 ? Math.Clamp((y1 - y0) / (x1 - x0), MinSlope, MaxSlope) : 1;
        return new(usable.Average(p => p.X), usable.Average(p => p.Y), slope);
    }

    /// <summary>A curve of slope 1.</summary>
    public static NoiseCurve Proportional(double gain) => new(0, Math.Log(Math.Max(gain, Floor)), 1);

    /// <summary>Output noise per weight noise at the middle of the measured points.</summary>
    public double Gain => Math.Exp(y - x);

    /// <summary>Expected output noise.</summary>
    public double At(double weightNoise) => weightNoise <= 0 ? 0 : Math.Exp(y + (slope * (Math.Log(weightNoise) - x)));
}
