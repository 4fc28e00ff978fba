namespace ModelCompression.Numerics;

/// <summary>Quantizes to <see cref="CurvedCodes"/> and predicts what that costs.</summary>
internal static class CurvedQuantizer
{
    private const int Bins = 256;

    /// <summary>Below half of the lowest level of the strongest curvature, in scale steps.</summary>
    private const float VanishingSteps = 0.04f;

    /// <summary>Quantizes a tensor to codes + <see cref="CurvedCodes.Offset"/>, one byte per element.</summary>
    /// <param name="elements">Finite binary32 elements.</param>
    /// <param name="layout">Channels.</param>
    /// <param name="scales">One per scale number, zero points 0; codes reach ±<see cref="CurvedCodes.Highest"/>.</param>
    /// <param name="codes">Levels.</param>
    /// <param name="output">Receives the bytes.</param>
    /// <returns>The loss of level · scale in binary32, which is what a runtime computes; summed in element order.</returns>
    public static QuantizationNoise Quantize(ReadOnlySpan<float> elements, ChannelLayout layout, AffineScale[] scales, CurvedCodes codes, Span<byte> output)
    {
        double signal = 0, noise = 0;
        foreach (var run in layout.Runs())
        {
            float scale = scales[run.Scale].Scale;
            for (int i = run.Start; i < run.Start + layout.Inner; i++)
            {
                float x = elements[i];
                output[i] = (byte)(codes.Nearest(x / scale, out float level) + codes.Offset);
                double error = x - (level * scale);
                signal += (double)x * x;
                noise += error * error;
            }
        }

        return new(signal, noise);
    }

    /// <summary>The curvature with the least expected noise, and that noise: Σ (step at the element)²/12.</summary>
    /// <param name="elements">Finite binary32 elements.</param>
    /// <param name="layout">Channels.</param>
    /// <param name="scales">One per scale number.</param>
    /// <param name="highest">Highest code, which the scales belong to.</param>
    public static (float Curvature, double Noise) Choose(ReadOnlySpan<float> elements, ChannelLayout layout, AffineScale[] scales, int highest)
    {
        double[] energy = EnergyByMagnitude(elements, layout, scales, highest, out double vanishing);
        (float Curvature, double Noise) best = (0, double.PositiveInfinity);
        foreach (float curvature in CurvedCodes.Curvatures)
        {
            double noise = vanishing;
            for (int bin = 0; bin < Bins; bin++)
            {
                if (energy[bin] == 0) continue;
                double step = CurvedCodes.StepAt((bin + 0.5) * highest / Bins, curvature, highest);
                noise += energy[bin] * step * step / 12;
            }

            if (noise < best.Noise) best = (curvature, noise);
        }

        return best;
    }

    /// <summary>Histogram of |x|/scale over 0…highest, every element weighted by its scale's square; the energy of elements that become 0 with any curvature is kept apart.</summary>
    private static double[] EnergyByMagnitude(ReadOnlySpan<float> elements, ChannelLayout layout, AffineScale[] scales, int highest, out double vanishing)
    {
        vanishing = 0;
        float perStep = (float)Bins / highest;
        var energy = new double[Bins];
        foreach (var run in layout.Runs())
        {
            float scale = scales[run.Scale].Scale;
            double weight = (double)scale * scale;
            float factor = perStep / scale;
            foreach (float x in elements.Slice(run.Start, layout.Inner))
            {
                if (Math.Abs(x) < VanishingSteps * scale) vanishing += (double)x * x;
                else energy[(int)Math.Min(Math.Abs(x) * factor, Bins - 1)] += weight;
            }
        }

        return energy;
    }
}
