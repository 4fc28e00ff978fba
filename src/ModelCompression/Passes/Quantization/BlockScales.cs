using ModelCompression.Numerics;

namespace ModelCompression.Passes.Quantization;

/// <summary>Scales per block as 8-bit multiples of a step per channel.</summary>
/// <param name="Multiples">1…255 per scale number.</param>
/// <param name="Steps">Per channel.</param>
/// <param name="Effective">Multiple · step in binary32 per scale number: the scale that unpacking yields.</param>
/// <remarks>Multiples are rounded up, so that the largest element of every block still fits; two-level scales as in Dettmers et al., "QLoRA", 2023 (double quantization).</remarks>
internal sealed record BlockScales(byte[] Multiples, float[] Steps, AffineScale[] Effective)
{
    private const int MaxMultiple = byte.MaxValue;

    /// <summary>Scales for symmetric codes up to <paramref name="highestCode"/>.</summary>
    /// <param name="ranges">Ranges of the blocks.</param>
    /// <param name="shape">The blocks.</param>
    /// <param name="highestCode">Highest code.</param>
    /// <param name="half">How steps are stored as binary16, or null for binary32.</param>
    public static BlockScales Of(ChannelRanges ranges, BlockShape shape, int highestCode, HalfScales? half = null)
    {
        var steps = Array.ConvertAll(LargestPerChannel(ranges, shape), max => StepOf(max, highestCode));
        if (half is { } stored) steps = Array.ConvertAll(steps, stored.RoundUp);
        var multiples = new byte[shape.Layout.ScaleCount];
        var effective = new AffineScale[multiples.Length];
        for (int s = 0; s < multiples.Length; s++)
        {
            float step = steps[shape.ChannelOf(s)];
            double wanted = (double)ranges.AbsMax(s) / highestCode / step;
            // A hair above an integer is rounding of the step; a code beyond the last is clipped by as much.
            multiples[s] = (byte)Math.Clamp(Math.Ceiling(wanted - 1e-6), 1, MaxMultiple);
            effective[s] = new(multiples[s] * step, 0);
        }

        return new(multiples, steps, effective);
    }

    /// <summary>Largest magnitude of every channel.</summary>
    public static float[] LargestPerChannel(ChannelRanges ranges, BlockShape shape)
    {
        var largest = new float[shape.Channels];
        for (int s = 0; s < shape.Layout.ScaleCount; s++) largest[shape.ChannelOf(s)] = Math.Max(largest[shape.ChannelOf(s)], ranges.AbsMax(s));
        return largest;
    }

    /// <summary>Step of a channel whose largest magnitude is <paramref name="max"/>.</summary>
    public static float StepOf(float max, int highestCode)
    {
        const float smallestNormal = 1.17549435e-38f;
        float step = (float)((double)max / highestCode / MaxMultiple);
        return step < smallestNormal ? 1f : step;
    }
}
