using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.Static;

/// <summary>Scales of input channels, and the shift of the mean that rounded weights bring.</summary>
[TestClass]
public sealed class ScaleBalanceTests
{
    [TestMethod]
    public void Balance_NeverGoesBelowTheRanges_AndLowersTheNoise()
    {
        var random = new Random(3);
        for (int trial = 0; trial < 20; trial++)
        {
            // Channels whose ranges spread over three decades, with weights that do the opposite for some.
            float[] scales = [.. Enumerable.Range(0, 12).Select(_ => (float)Math.Pow(10, (random.NextDouble() * 3) - 3))];
            float[] weights = [.. Enumerable.Range(0, 8 * 12).Select(_ => (float)((random.NextDouble() * 2) - 1))];
            double[] squares = [.. scales.Select(s => (double)s * s * 1000)];
            var view = Convolution(weights, 8, 12);

            float[] balanced = ScaleBalance.Balance(view, weights, scales, squares);

            for (int c = 0; c < 12; c++) Assert.IsGreaterThanOrEqualTo(scales[c], balanced[c]);
            Assert.IsLessThanOrEqualTo(Noise(weights, scales, squares) * (1 + 1e-9), Noise(weights, balanced, squares));
        }
    }

    [TestMethod]
    public void Balance_OfChannelsThatAreAlike_KeepsTheRanges()
    {
        float[] weights = [.. Enumerable.Repeat(0.5f, 24)], scales = [.. Enumerable.Repeat(0.02f, 6)];

        float[] balanced = ScaleBalance.Balance(Convolution(weights, 4, 6), weights, scales, [.. Enumerable.Repeat(1.0, 6)]);

        CollectionAssert.AreEqual(scales, balanced);
    }

    [TestMethod]
    public void RoundingShift_IsTheMeanOfWhatRoundedWeightsAdd()
    {
        float[] weights = [0.5f, -0.26f, 0.1f, 0.9f, 0.33f, -0.7f];
        var view = Convolution(weights, 2, 3);
        double[] means = [2, -1, 4];
        var rounded = new WeightScales(Tensor.Create(DataType.Int8, [2, 3, 1, 1], [(sbyte)5, (sbyte)-3, (sbyte)1, (sbyte)9, (sbyte)3, (sbyte)-7]), [0.1f, 0.1f], default);
        var input = ActivationScale.Covering(0, 4, 8);

        double[] shifts = RoundingShift.Of(view, Tensor.Float([2, 3, 1, 1], weights), rounded, [.. means.Select(m => (float)m)], input);

        // Row 0: (0.5−0.5)·2 + (−0.3+0.26)·(−1) + (0.1−0.1)·4; row 1: 0·2 + (0.3−0.33)·(−1) + 0·4.
        Assert.AreEqual(0.04, shifts[0], 1e-6);
        Assert.AreEqual(0.03, shifts[1], 1e-6);
    }

    /// <summary>Σ_m ((Σ_c s_c²·w_mc²) + t_m²·Σ_c E[x_c²]/s_c²) / (Σ_c w_mc²·E[x_c²]), t_m = max_c |w_mc|·s_c/127; 1/12 left out.</summary>
    private static double Noise(float[] weights, float[] scales, double[] squares)
    {
        int channels = scales.Length;
        double noise = 0;
        for (int m = 0; m < weights.Length / channels; m++)
        {
            double input = 0, power = 0, top = 0, spread = 0;
            for (int c = 0; c < channels; c++)
            {
                double w = weights[(m * channels) + c];
                input += w * w * scales[c] * scales[c];
                power += w * w * squares[c];
                top = Math.Max(top, Math.Abs(w) * scales[c]);
                spread += squares[c] / ((double)scales[c] * scales[c]);
            }

            noise += (input + (top * top / (127 * 127) * spread)) / power;
        }

        return noise;
    }

    private static ConvView Convolution(float[] weights, int outputs, int inputs)
    {
        var test = new TestModel();
        var output = test.Node("Conv", [test.Input("x", 1, inputs, 4, 4), test.Constant("w", Tensor.Float([outputs, inputs, 1, 1], weights))]);
        return ConvView.TryFrom(output.Producer!, out var view) ? view : throw new AssertFailedException("no convolution");
    }
}
