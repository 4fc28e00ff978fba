namespace ModelCompression.Numerics.NBits;

/// <summary>Finds the nearest value of a palette.</summary>
internal sealed class PaletteCodes
{
    private const int TableLength = 4096;

    private readonly float[] values;
    private readonly float[] thresholds;
    private readonly byte[] firstGuess = new byte[TableLength];
    private readonly float perUnit;

    /// <summary>Prepares a search.</summary>
    /// <param name="values">1…256 values in ascending order.</param>
    public PaletteCodes(float[] values)
    {
        this.values = values;
        thresholds = new float[values.Length];
        for (int i = 0; i + 1 < values.Length; i++) thresholds[i] = (values[i] / 2) + (values[i + 1] / 2);
        thresholds[^1] = float.PositiveInfinity;
        float range = values[^1] - values[0];
        perUnit = range > 0 ? TableLength / range : 0;
        int code = 0;
        for (int i = 0; i < TableLength; i++)
        {
            while (values[0] + (i / perUnit) > thresholds[code]) code++;
            // Rounding may put a number into the next cell of the table.
            firstGuess[i] = (byte)code;
        }
    }

    /// <summary>Values in ascending order.</summary>
    public ReadOnlySpan<float> Values => values;

    /// <summary>Code of the nearest value; of two equally near ones the smaller.</summary>
    public int Nearest(float x)
    {
        int code = firstGuess[(int)Math.Clamp((x - values[0]) * perUnit, 0, TableLength - 1)];
        while (x > thresholds[code]) code++;
        while (code > 0 && x <= thresholds[code - 1]) code--;
        return code;
    }

    /// <summary>Codes of x / scale; the loss is that of value · scale in binary32.</summary>
    public double Encode(ReadOnlySpan<float> x, float scale, Span<byte> codes)
    {
        double noise = 0;
        for (int i = 0; i < x.Length; i++)
        {
            int code = Nearest(x[i] / scale);
            codes[i] = (byte)code;
            double error = x[i] - (values[code] * scale);
            noise += error * error;
        }

        return noise;
    }

    /// <summary>The scale that fits the values chosen for a group best: Σ x·p / Σ p²; the old one when nothing is chosen but zeros.</summary>
    public float FitScale(ReadOnlySpan<float> x, float scale)
    {
        double xp = 0, pp = 0;
        foreach (float element in x)
        {
            double value = values[Nearest(element / scale)];
            xp += element * value;
            pp += value * value;
        }

        float fitted = (float)(xp / pp);
        return fitted > 0 && float.IsNormal(fitted) ? fitted : scale;
    }
}
