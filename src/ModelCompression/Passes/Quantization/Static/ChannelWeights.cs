using ModelCompression.Analysis.Views;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>How much noise in each channel of a tensor counts: Σ w² over the weights it is multiplied with, or 1 where the consumers are not convolutions.</summary>
internal static class ChannelWeights
{
    /// <summary>One weight per channel.</summary>
    public static double[] Of(QuantizedTensor tensor, int channels)
    {
        double[] sums = new double[channels];
        if (tensor.Side == ChannelSide.Input)
            foreach (var use in tensor.Tensor.Uses)
                if (ConvView.TryFrom(use.Node, out var view) && view.InputChannels == channels && view.Weight.TryGetConstant(out var weight) && use.Index == 0) Add(view, weight.AsSpan<float>(), sums);
        if (sums.All(s => s == 0)) Array.Fill(sums, 1);
        return sums;
    }

    private static void Add(ConvView view, ReadOnlySpan<float> weight, double[] sums)
    {
        int perGroup = view.OutputChannels / view.Group, kernel = weight.Length / view.OutputChannels / view.InputChannelsPerGroup;
        for (int m = 0, at = 0; m < view.OutputChannels; m++)
            for (int c = 0; c < view.InputChannelsPerGroup; c++, at += kernel)
                foreach (float w in weight.Slice(at, kernel)) sums[(m / perGroup * view.InputChannelsPerGroup) + c] += (double)w * w;
    }
}
