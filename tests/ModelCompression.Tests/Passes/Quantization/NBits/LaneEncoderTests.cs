using ModelCompression.Numerics.NBits;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization.NBits;

namespace ModelCompression.Tests.Passes.Quantization.NBits;

[TestClass]
public sealed class LaneEncoderTests
{
    [TestMethod]
    [DataRow(QuantizationAlgorithm.RoundToNearest, QuantizationScheme.Symmetric), DataRow(QuantizationAlgorithm.Hqq, QuantizationScheme.Symmetric)]
    [DataRow(QuantizationAlgorithm.RoundToNearest, QuantizationScheme.Asymmetric), DataRow(QuantizationAlgorithm.Hqq, QuantizationScheme.Asymmetric)]
    public void PackedCodes_AreTheCodesInPairs(QuantizationAlgorithm algorithm, QuantizationScheme scheme)
    {
        var plan = LaneCases.Plan(algorithm, 320, 50, scheme);
        var means = LaneCases.Means(320);
        var plain = NBitEncoder.TryMake(plan, inputs: () => means)!;
        var packed = NBitEncoder.TryMake(plan, inputs: () => means, packs: true)!;
        Assert.IsTrue(plan.TakesPairs);
        Assert.IsNull(plain.Pairs);
        CollectionAssert.AreEqual(BlockPacking.Pack(plain.Codes, 50, 320, 320, 4, 8), packed.Pairs!.AsSpan<byte>().ToArray());
        CollectionAssert.AreEqual(plain.Scales.Multiples, packed.Scales.Multiples);
        CollectionAssert.AreEqual(plain.ZeroPoints, packed.ZeroPoints);
        Assert.AreEqual(scheme == QuantizationScheme.Asymmetric ? plain.Scales.Multiples.Length : 0, plain.ZeroPoints.Length);
        Assert.AreEqual(plain.Codes.Where((c, i) => c != LaneCases.ZeroOf(plain, plan.Grid, i / 320, i % 320)).Count(), plain.NonZeroCount);
        Assert.AreEqual(plain.NonZeroCount, packed.NonZeroCount);
    }

    /// <summary>Scales that keep the output for the mean input, after they have been rounded to multiples, leave little of its error and cost little.</summary>
    [TestMethod]
    [DataRow(QuantizationScheme.Symmetric), DataRow(QuantizationScheme.Asymmetric)]
    public void MeanInput_IsKept(QuantizationScheme scheme)
    {
        NBitPlan plan = LaneCases.Plan(QuantizationAlgorithm.RoundToNearest, 768, 48, scheme), hqq = LaneCases.Plan(QuantizationAlgorithm.Hqq, 768, 48, scheme);
        var means = LaneCases.Means(768);
        var (plainError, plainNoise) = LaneCases.Errors(plan, NBitEncoder.TryMake(plan)!, means[0]);
        var (error, noise) = LaneCases.Errors(plan, NBitEncoder.TryMake(plan, inputs: () => means)!, means[0]);
        Assert.IsLessThan(0.05 * plainError, error);
        Assert.IsLessThan(1.1 * plainNoise, noise);
        var (moved, movedNoise) = LaneCases.Errors(hqq, NBitEncoder.TryMake(hqq, inputs: () => means)!, means[0]);
        Assert.IsLessThanOrEqualTo(error + (means[0].Variance * noise), moved + (means[0].Variance * movedNoise));
    }

    [TestMethod]
    public void WeightWithANaN_HasNoCodes()
    {
        var plan = LaneCases.Plan(QuantizationAlgorithm.RoundToNearest, 64, 20, change: elements => elements[^1] = float.NaN);
        Assert.IsNull(NBitEncoder.TryMake(plan));
    }

    [TestMethod]
    [DataRow(QuantizationScheme.Asymmetric, 32), DataRow(QuantizationScheme.Asymmetric, 512), DataRow(QuantizationScheme.Codebook, 32)]
    public void Cancelled_Stops(QuantizationScheme scheme, int blockSize)
    {
        var plan = LaneCases.Plan(QuantizationAlgorithm.Hqq, 1024, 200, scheme, blockSize);
        Assert.IsNotNull(NBitEncoder.TryMake(plan, cancellation: CancellationToken.None));
        Assert.Throws<OperationCanceledException>(() => NBitEncoder.TryMake(plan, cancellation: new CancellationToken(true)));
    }

    /// <summary>Channels that training has left dead have weights of nearly 0. Six blocks per row: their scales are tried in binary16 first, where they would be 0.</summary>
    [TestMethod]
    [DataRow(QuantizationScheme.Symmetric), DataRow(QuantizationScheme.Asymmetric)]
    public void RowWithScalesBelowBinary16_IsRounded(QuantizationScheme scheme)
    {
        var plan = LaneCases.Plan(QuantizationAlgorithm.Hqq, 192, 48, scheme, change: elements => Shrink(elements, row: 2, rows: 48));
        var means = LaneCases.Means(192);
        var weight = NBitEncoder.TryMake(plan, inputs: () => means)!;
        var (_, noise) = LaneCases.Errors(plan, weight, means[0]);
        Assert.AreEqual(noise, weight.Noise.Noise, 1e-5 * noise);
        Assert.IsFalse(weight.Scales.IsHalf);
        foreach (float scale in weight.Scales.Effective.AsSpan(2 * 6, 6)) Assert.IsTrue(Math.Abs(scale) is > 0 and < 1e-33f, $"{scale}");
        CollectionAssert.Contains(weight.Codes[(2 * 192)..(3 * 192)], (byte)15);
    }

    /// <summary>Sixteen blocks per row: scales are multiples of a step, which is no normal number any more where weights are tiny.</summary>
    [TestMethod]
    [DataRow(1e-32f, QuantizationScheme.Symmetric), DataRow(1e-34f, QuantizationScheme.Symmetric), DataRow(1e-35f, QuantizationScheme.Symmetric), DataRow(1e-36f, QuantizationScheme.Symmetric), DataRow(1e-37f, QuantizationScheme.Symmetric), DataRow(1e-39f, QuantizationScheme.Symmetric)]
    [DataRow(1e-32f, QuantizationScheme.Asymmetric), DataRow(1e-34f, QuantizationScheme.Asymmetric), DataRow(1e-35f, QuantizationScheme.Asymmetric), DataRow(1e-36f, QuantizationScheme.Asymmetric), DataRow(1e-37f, QuantizationScheme.Asymmetric), DataRow(1e-39f, QuantizationScheme.Asymmetric)]
    public void RowOfTinyWeights_IsRoundedOrZero(float factor, QuantizationScheme scheme)
    {
        foreach (int length in (int[])[192, 512])
        {
            var plan = LaneCases.Plan(QuantizationAlgorithm.Hqq, length, 48, scheme, change: elements => Shrink(elements, row: 2, rows: 48, factor));
            var means = LaneCases.Means(length);
            var weight = NBitEncoder.TryMake(plan, inputs: () => means)!;
            var elements = plan.Site.Tensor.AsSpan<float>();
            double energy = 0, noise = 0;
            for (int k = 0; k < length; k++)
            {
                float x = elements[(k * 48) + 2], value = (weight.Codes[(2 * length) + k] - LaneCases.ZeroOf(weight, plan.Grid, 2, k)) * weight.Scales.Effective[(2 * plan.Grid.Blocks) + (k / plan.Grid.BlockLength)];
                energy += (double)x * x;
                noise += ((double)x - value) * ((double)x - value);
            }

            Assert.IsLessThanOrEqualTo(energy < 1e-68 ? energy : 0.02 * energy, noise, $"{length}: {Math.Sqrt(energy / length)}");
        }
    }

    private static void Shrink(Span<float> elements, int row, int rows, float factor = 1e-34f)
    {
        for (int i = row; i < elements.Length; i += rows) elements[i] *= factor;
    }

    /// <summary>The codes of rows worked on together are about as good as those of a weight whose rows are taken one after the other.</summary>
    [TestMethod]
    [DataRow(QuantizationAlgorithm.RoundToNearest), DataRow(QuantizationAlgorithm.Hqq)]
    public void AsymmetricNoise_IsThatOfTheSearchGroupByGroup(QuantizationAlgorithm algorithm)
    {
        var plan = LaneCases.Plan(algorithm, 768, 48, QuantizationScheme.Asymmetric);
        var weight = NBitEncoder.TryMake(plan)!;
        var (_, noise) = LaneCases.Errors(plan, weight, LaneCases.Means(768)[0]);
        Assert.AreEqual(noise, weight.Noise.Noise, 1e-5 * noise);
        float[] row = new float[768];
        double expected = 0;
        for (int r = 0; r < 48; r++)
        {
            for (int k = 0; k < 768; k++) row[k] = plan.Site.Tensor.AsSpan<float>()[(k * 48) + r];
            for (int b = 0; b < plan.Grid.Blocks; b++) expected += FitSums.Of(plan.Grid.BlockOf(row, b), MapSearch.Find(plan.Grid.BlockOf(row, b), plan.Codes), 15).EE;
        }

        // Scales are rounded to multiples of their row's step.
        Assert.AreEqual(expected, noise, 0.01 * expected);
    }
}
