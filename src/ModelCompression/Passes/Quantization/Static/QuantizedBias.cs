using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Biases as int32, in the unit of the products they are added to.</summary>
internal static class QuantizedBias
{
    /// <summary>The smallest weight scales with which the bias fits into int32: s_x·s_w ≥ 1.0001·2·|b|/(2³²−2), ONNX Runtime's condition.</summary>
    /// <param name="bias">One element per channel.</param>
    /// <param name="inputScale">s_x.</param>
    /// <param name="scaleCount">Channels, or 1 for one scale.</param>
    public static double[] LeastWeightScales(ReadOnlySpan<float> bias, float inputScale, int scaleCount)
    {
        double[] least = new double[scaleCount];
        for (int c = 0; c < bias.Length; c++)
        {
            ref double scale = ref least[scaleCount == 1 ? 0 : c];
            scale = Math.Max(scale, 1.0001 * 2 * Math.Abs((double)bias[c]) / (uint.MaxValue - 1.0) / inputScale);
        }

        return least;
    }

    /// <summary>round(b / (s_x·s_w)), ties to even, and the scales s_x·s_w.</summary>
    public static (Tensor Codes, float[] Scales) Of(ReadOnlySpan<float> bias, float inputScale, float[] weightScales)
    {
        int[] codes = new int[bias.Length];
        float[] scales = Array.ConvertAll(weightScales, w => inputScale * w);
        for (int c = 0; c < codes.Length; c++)
        {
            double scale = scales[scales.Length == 1 ? 0 : c];
            codes[c] = scale > 0 ? (int)Math.Clamp(Math.Round(bias[c] / scale, MidpointRounding.ToEven), int.MinValue, int.MaxValue) : 0;
        }

        return (Tensor.Create(DataType.Int32, [codes.Length], codes), scales);
    }
}
