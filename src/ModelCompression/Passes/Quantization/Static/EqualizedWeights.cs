using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Weights that take up the factors between channel scales of the float side and the one scale of the integer side.</summary>
internal static class EqualizedWeights
{
    /// <summary>W·s_c/s for each input channel c.</summary>
    public static Tensor ForInput(ConvView view, Tensor weight, ActivationScale input)
    {
        float[] scaled = weight.AsSpan<float>().ToArray();
        int perGroup = view.OutputChannels / view.Group, kernel = scaled.Length / view.OutputChannels / view.InputChannelsPerGroup;
        double[] factors = Array.ConvertAll(input.Channels!, c => (double)c / input.Map.Scale);
        for (int m = 0, at = 0; m < view.OutputChannels; m++)
        {
            int first = m / perGroup * view.InputChannelsPerGroup;
            for (int c = 0; c < view.InputChannelsPerGroup; c++, at += kernel)
                foreach (ref float w in scaled.AsSpan(at, kernel)) w = (float)(w * factors[first + c]);
        }

        return Tensor.Float(weight.Dims, scaled);
    }

    /// <summary>The factor s/s_m of each output channel m: it scales weights and bias, whose codes stay the same.</summary>
    public static double[] ForOutput(ActivationScale output) => Array.ConvertAll(output.Channels!, s => (double)output.Map.Scale / s);
}
