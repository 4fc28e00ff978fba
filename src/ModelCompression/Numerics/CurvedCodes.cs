using System.Runtime.CompilerServices;

namespace ModelCompression.Numerics;

/// <summary>
/// Levels that lie closer together near zero than far from it: code q stands for f(q) = q · (1 + a·(q/h)²) / (1 + a) scale steps, with h = 2^(bits−1) − 1 the highest code.
/// </summary>
/// <remarks>
/// Trained weights are bell-shaped with long tails; a uniform grid that reaches the largest of them is too coarse for the many small ones. A cubic compressor comes
/// within about 1 dB of the optimal quantizer for such densities (Panter and Dite, "Quantization distortion in pulse-count modulation with nonuniform spacing of
/// levels", 1951) and needs one number per weight. f is odd, monotone, and keeps 0 and ±h, so zeros stay zeros and the largest weight stays exact.
/// Levels are rounded to binary16, so that a table takes half the bytes. Only IEEE additions, multiplications and divisions are used, so the same weights give the same codes on every machine.
/// </remarks>
internal sealed class CurvedCodes
{
    /// <summary>Curvatures to choose from: few, because each that is used costs a table of 1 KiB, and because the optimum is flat.</summary>
    public static readonly float[] Curvatures = [1f, 3f, 9f];

    /// <summary>
    /// Scale steps that one unit of a stored table stands for: a power of two, which changes no bits of a product. It keeps the levels, and what multiplies them, in the
    /// normal range of binary16.
    /// </summary>
    public const int TableUnit = 1024;

    /// <summary>Entries of the search table per scale step.</summary>
    private const int Fineness = 16;

    private readonly float[] levels;
    private readonly float[] thresholds;
    private readonly byte[] firstGuess;

    /// <summary>Levels of a curvature a ≥ 0 for codes of 2–8 bits.</summary>
    public CurvedCodes(float curvature, int bits = 8)
    {
        Highest = HighestOf(bits);
        Offset = Highest + 1;
        levels = new float[Highest + 1];
        thresholds = new float[Highest + 1];
        firstGuess = new byte[(Highest * Fineness) + 1];
        for (int q = 0; q <= Highest; q++) levels[q] = (float)(Half)(Level(q, curvature, Highest) / TableUnit) * TableUnit;
        for (int q = 0; q < Highest; q++) thresholds[q] = (levels[q] + levels[q + 1]) / 2;
        thresholds[Highest] = float.PositiveInfinity;
        int code = 0;
        for (int i = 0; i < firstGuess.Length; i++)
        {
            while ((float)i / Fineness > thresholds[code]) code++;
            firstGuess[i] = (byte)code;
        }
    }

    /// <summary>Highest code.</summary>
    public int Highest { get; }

    /// <summary>What is added to a code so that it is not negative.</summary>
    public int Offset { get; }

    /// <summary>Highest code of a width: 127 for 8 bits.</summary>
    public static int HighestOf(int bits) => (1 << (bits - 1)) - 1;

    /// <summary>Level of each code from the lowest (which is not used and equals the next) to the highest, in scale steps.</summary>
    public float[] Table()
    {
        var table = new float[Offset + Highest + 1];
        for (int i = 0; i < table.Length; i++)
        {
            int q = Math.Max(-Highest, i - Offset);
            table[i] = q < 0 ? -levels[-q] : levels[q];
        }

        return table;
    }

    /// <summary>The code whose level is nearest to <paramref name="steps"/> (a weight divided by its scale), and that level.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Nearest(float steps, out float level)
    {
        float magnitude = Math.Abs(steps);
        int code = firstGuess[(int)Math.Min(magnitude * Fineness, firstGuess.Length - 1)];
        while (magnitude > thresholds[code]) code++;
        level = steps < 0 ? -levels[code] : levels[code];
        return steps < 0 ? -code : code;
    }

    /// <summary>f(v) for a real code.</summary>
    private static double Level(double v, double curvature, int highest) => v * (1 + (curvature * (v / highest) * (v / highest))) / (1 + curvature);

    /// <summary>Distance of neighbouring levels around a magnitude, both in scale steps: f'(f⁻¹(u)).</summary>
    public static double StepAt(double magnitude, double curvature, int highest = 127)
    {
        // Newton's method; f is convex and increasing on [0, h], so from h it converges from above.
        double v = highest;
        for (int i = 0; i < 24; i++) v -= (Level(v, curvature, highest) - magnitude) / Slope(v, curvature, highest);
        return Slope(v, curvature, highest);
    }

    private static double Slope(double v, double curvature, int highest) => (1 + (3 * curvature * (v / highest) * (v / highest))) / (1 + curvature);
}
