using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Numerics;

/// <summary>Quantizes to <see cref="CurvedCodes"/> and predicts what that costs.</summary>
internal static class CurvedQuantizer
{
    private const int Bins = 256;

    /// <summary>Below half of the lowest level of the strongest curvature, in scale steps.</summary>
    private const float VanishingSteps = 0.04f;

    /// <summary>By bits and curvature.</summary>
    private static readonly double[]?[,] UnitNoises = new double[9, CurvedCodes.Curvatures.Length][];

    /// <summary>Quantizes a tensor to codes + <see cref="CurvedCodes.Offset"/>, one byte per element.</summary>
    /// <param name="tensor">Type <see cref="DataType.Float"/>, all elements finite.</param>
    /// <param name="layout">Channels.</param>
    /// <param name="scales">One per scale number, zero points 0; codes reach ±<see cref="CurvedCodes.Highest"/>.</param>
    /// <param name="codes">Levels.</param>
    /// <param name="output">Receives the bytes.</param>
    /// <returns>The loss of level · scale in binary32, which is what a runtime computes; summed in a fixed order.</returns>
    public static QuantizationNoise Quantize(Tensor tensor, ChannelLayout layout, AffineScale[] scales, CurvedCodes codes, byte[] output)
    {
        var blocks = layout.RunBlocks();
        var parts = new QuantizationNoise[blocks.Length];
        Parallel.For(0, blocks.Length, b => parts[b] = Quantize(tensor.AsSpan<float>(), layout, new ChannelRuns(layout, blocks[b].Start, blocks[b].Length), scales, codes, output));
        var total = default(QuantizationNoise);
        foreach (var part in parts) total += part;
        return total;
    }

    private static QuantizationNoise Quantize(ReadOnlySpan<float> elements, ChannelLayout layout, ChannelRuns runs, AffineScale[] scales, CurvedCodes codes, byte[] output)
    {
        double signal = 0, noise = 0;
        foreach (var run in runs)
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
    /// <param name="tensor">Type <see cref="DataType.Float"/>, all elements finite.</param>
    /// <param name="layout">Channels.</param>
    /// <param name="scales">One per scale number.</param>
    /// <param name="bits">Bits of a code, which the scales belong to.</param>
    public static (float Curvature, double Noise) Choose(Tensor tensor, ChannelLayout layout, AffineScale[] scales, int bits)
    {
        double[] energy = EnergyByMagnitude(tensor, layout, scales, CurvedCodes.HighestOf(bits));
        (float Curvature, double Noise) best = (0, double.PositiveInfinity);
        for (int c = 0; c < CurvedCodes.Curvatures.Length; c++)
        {
            double noise = energy[Bins];
            double[] unit = UnitNoise(bits, c);
            for (int bin = 0; bin < Bins; bin++) noise += energy[bin] * unit[bin];
            if (noise < best.Noise) best = (CurvedCodes.Curvatures[c], noise);
        }

        return best;
    }

    /// <summary>Step² / 12 in the middle of every bin: the same for all weights.</summary>
    private static double[] UnitNoise(int bits, int curvature)
    {
        if (UnitNoises[bits, curvature] is { } known) return known;
        int highest = CurvedCodes.HighestOf(bits);
        double[] noise = new double[Bins];
        for (int bin = 0; bin < Bins; bin++)
        {
            double step = CurvedCodes.StepAt((bin + 0.5) * highest / Bins, CurvedCodes.Curvatures[curvature], highest);
            noise[bin] = step * step / 12;
        }

        // Whoever comes at the same time computes the same.
        return UnitNoises[bits, curvature] = noise;
    }

    /// <summary>
    /// Histogram of |x|/scale over 0…highest, every element weighted by its scale's square; at its end, the energy of elements that become 0 with any curvature. Summed in a fixed order.
    /// </summary>
    private static double[] EnergyByMagnitude(Tensor tensor, ChannelLayout layout, AffineScale[] scales, int highest)
    {
        var blocks = layout.RunBlocks();
        var parts = new double[blocks.Length][];
        Parallel.For(0, blocks.Length, b => parts[b] = EnergyByMagnitude(tensor.AsSpan<float>(), layout, new ChannelRuns(layout, blocks[b].Start, blocks[b].Length), scales, highest));
        var total = new double[Bins + 1];
        foreach (double[] part in parts)
            for (int bin = 0; bin < total.Length; bin++) total[bin] += part[bin];
        return total;
    }

    private static double[] EnergyByMagnitude(ReadOnlySpan<float> elements, ChannelLayout layout, ChannelRuns runs, AffineScale[] scales, int highest)
    {
        float perStep = (float)Bins / highest;
        var energy = new double[Bins + 1];
        foreach (var run in runs)
        {
            float scale = scales[run.Scale].Scale;
            double weight = (double)scale * scale;
            float factor = perStep / scale;
            foreach (float x in elements.Slice(run.Start, layout.Inner))
            {
                if (Math.Abs(x) < VanishingSteps * scale) energy[Bins] += (double)x * x;
                else energy[(int)Math.Min(Math.Abs(x) * factor, Bins - 1)] += weight;
            }
        }

        return energy;
    }
}
