using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization.Equalization;

/// <summary>Two layers with nothing between them that keeps factors of channels from passing through.</summary>
/// <param name="First">The layer whose output channels are divided.</param>
/// <param name="Second">The layer whose input channels are multiplied.</param>
/// <param name="Spread">Inputs of the second layer per output channel of the first: the positions of a flattened channel.</param>
/// <param name="Constants">Constants per channel that have to be divided too: biases, summands.</param>
/// <param name="Clips">Clips in between, whose bounds have to be divided too.</param>
internal sealed record LayerPair(ScalableLayer First, ScalableLayer Second, int Spread, IReadOnlyList<Use> Constants, IReadOnlyList<Node> Clips)
{
    /// <summary>No channel is multiplied or divided by more than this: a channel that is nearly dead would otherwise become a large one.</summary>
    private const double MaxFactor = 256;

    private readonly double[] factors = Ones(First.OutputChannels);

    /// <summary>What each channel has been divided by.</summary>
    public IReadOnlyList<double> Factors => factors;

    /// <summary>Sets the factors that equalize the ranges as they are now, and returns the largest change.</summary>
    /// <remarks>s = √(r₁/r₂); the first layer's channel is divided by s, the second's multiplied, after which both have the range √(r₁·r₂) (Nagel et al. 2019, eq. 11).</remarks>
    public double Equalize()
    {
        double[] first = First.OutputRanges(), second = Second.InputRanges();
        double change = 0;
        for (int c = 0; c < factors.Length; c++)
        {
            double other = 0;
            for (int k = c * Spread; k < (c + 1) * Spread; k++) other = Math.Max(other, second[k]);
            if (first[c] == 0 || other == 0 || !double.IsFinite(first[c]) || !double.IsFinite(other)) continue;
            double total = Math.Clamp(factors[c] * Math.Sqrt(first[c] / other), 1 / MaxFactor, MaxFactor);
            double step = total / factors[c];
            factors[c] = total;
            First.OutputFactors[c] /= step;
            for (int k = c * Spread; k < (c + 1) * Spread; k++) Second.InputFactors[k] *= step;
            change = Math.Max(change, Math.Abs(Math.Log2(step)));
        }

        return change;
    }

    private static double[] Ones(int length)
    {
        double[] ones = new double[length];
        Array.Fill(ones, 1);
        return ones;
    }
}
