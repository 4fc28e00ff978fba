namespace ModelCompression.Numerics;

/// <summary>Scales arranged for a walk over the elements: one scale per run of elements, or, where runs are short, one per position of a repeating row.</summary>
internal sealed class ScalePattern
{
    private readonly AffineScale[] channelScales;

    private ScalePattern(AffineScale[] channelScales, int period)
    {
        this.channelScales = channelScales;
        Period = period;
    }

    /// <summary>Elements after which the scale changes (runs) or the row of scales repeats.</summary>
    public int Period { get; }

    /// <summary>True for runs.</summary>
    public bool IsConstantInPeriod { get; private init; }

    /// <summary>Scale per position of the row; empty for runs.</summary>
    public float[] Scales { get; private init; } = [];

    /// <summary>Zero point per position of the row; empty for runs.</summary>
    public float[] ZeroPoints { get; private init; } = [];

    /// <summary>Scale of the run with the given number.</summary>
    public AffineScale ScaleOfPeriod(int run) => channelScales[run % channelScales.Length];

    /// <summary>Arranges the scales of <paramref name="layout"/>'s channels.</summary>
    public static ScalePattern Of(ChannelLayout layout, AffineScale[] scales)
    {
        if (layout.Inner >= RangeAccumulator.ShortRun || layout.Channels == 1)
            return new ScalePattern(scales, Math.Max(1, layout.Channels == 1 ? layout.ElementCount : layout.Inner)) { IsConstantInPeriod = true };
        var row = new float[layout.Channels * layout.Inner];
        var zeroPoints = new float[row.Length];
        for (int i = 0; i < row.Length; i++)
        {
            row[i] = scales[i / layout.Inner].Scale;
            zeroPoints[i] = scales[i / layout.Inner].ZeroPoint;
        }

        return new ScalePattern(scales, Math.Max(1, row.Length)) { Scales = row, ZeroPoints = zeroPoints };
    }
}
