using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>What the rounding of a convolution's weights adds to its outputs on average.</summary>
/// <remarks>
/// Σ_c E[x_c]·Σ_k (ŵ_mck − w_mck): inputs behind an activation function are far from mean 0, so that this is often most of the error, and the bias takes it away (Nagel et al., "Data-Free Quantization
/// through Weight Equalization and Bias Correction", ICCV 2019, equation 16, with measured means). Padding, where x is 0, is left out of account.
/// </remarks>
internal static class RoundingShift
{
    /// <summary>One shift per output channel.</summary>
    /// <param name="view">The convolution.</param>
    /// <param name="weight">Weights as they were rounded, factors of input channels included.</param>
    /// <param name="rounded">Codes and scales.</param>
    /// <param name="means">E[x_c].</param>
    /// <param name="input">Scale of the input.</param>
    public static double[] Of(ConvView view, Tensor weight, WeightScales rounded, float[] means, ActivationScale input)
    {
        var elements = weight.AsSpan<float>();
        var codes = rounded.Codes.AsSpan<sbyte>();
        double[] shifts = new double[view.OutputChannels];
        int perGroup = view.OutputChannels / view.Group, kernel = elements.Length / view.OutputChannels / view.InputChannelsPerGroup;
        for (int m = 0, at = 0; m < shifts.Length; m++)
        {
            double scale = rounded.Scales[rounded.Scales.Length == 1 ? 0 : m];
            for (int c = 0; c < view.InputChannelsPerGroup; c++)
            {
                int channel = (m / perGroup * view.InputChannelsPerGroup) + c;
                double sum = 0;
                for (int k = 0; k < kernel; k++, at++) sum += (codes[at] * scale) - elements[at];
                shifts[m] += sum * means[channel] * (input.Channels is { } channels ? (double)input.Map.Scale / channels[channel] : 1);
            }
        }

        return shifts;
    }
}
