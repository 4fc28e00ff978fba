using ModelCompression.Numerics.NBits;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization.NBits;

namespace ModelCompression.Tests.Passes.Quantization.NBits;

/// <summary>Blocks of 128 and 256 weights against the search group by group.</summary>
[TestClass]
public sealed class LongBlockTests
{
    /// <summary>Many blocks and few, whole ones and tails, all widths.</summary>
    [TestMethod]
    [DataRow(320, 128, 4, QuantizationScheme.Symmetric), DataRow(320, 128, 4, QuantizationScheme.Asymmetric), DataRow(1100, 128, 2, QuantizationScheme.Asymmetric), DataRow(1100, 128, 8, QuantizationScheme.Symmetric)]
    [DataRow(257, 256, 4, QuantizationScheme.Symmetric), DataRow(600, 256, 8, QuantizationScheme.Asymmetric), DataRow(100, 128, 2, QuantizationScheme.Symmetric), DataRow(2100, 256, 4, QuantizationScheme.Asymmetric)]
    public void Noise_IsThatOfTheSearchGroupByGroup(int length, int blockSize, int bits, QuantizationScheme scheme)
    {
        const int rows = 37;
        var plan = LaneCases.Plan(QuantizationAlgorithm.RoundToNearest, length, rows, scheme, blockSize, bits);
        var weight = NBitEncoder.TryMake(plan)!;
        var (_, noise) = LaneCases.Errors(plan, weight, LaneCases.Means(length)[0]);
        Assert.AreEqual(noise, weight.Noise.Noise, 1e-4 * noise);
        double expected = 0;
        float[] row = new float[length];
        for (int r = 0; r < rows; r++)
        {
            for (int k = 0; k < length; k++) row[k] = plan.Site.Tensor.AsSpan<float>()[(k * rows) + r];
            for (int b = 0; b < plan.Grid.Blocks; b++) expected += FitSums.Of(plan.Grid.BlockOf(row, b), MapSearch.Find(plan.Grid.BlockOf(row, b), plan.Codes), plan.Codes.Highest).EE;
        }

        // Scales are rounded to binary16 or to multiples of their row's step; with 8 bits the latter costs a fifth.
        Assert.IsLessThanOrEqualTo((bits == 8 ? 1.3 : 1.02) * expected, noise);
        for (int r = 0; r < rows; r++)
            for (int k = 0; k < length; k++) AssertNearest(plan, weight, plan.Site.Tensor.AsSpan<float>()[(k * rows) + r], r, k);
    }

    /// <summary>A code is the nearest for the scale that it is multiplied with.</summary>
    private static void AssertNearest(NBitPlan plan, NBitWeight weight, float x, int row, int k)
    {
        float scale = weight.Scales.Effective[(row * plan.Grid.Blocks) + (k / plan.Grid.BlockLength)], zero = LaneCases.ZeroOf(weight, plan.Grid, row, k, plan.Codes.Middle);
        Assert.AreEqual(Math.Clamp(MathF.Round(x / scale) + zero, 0, plan.Codes.Highest), weight.Codes[(row * plan.Grid.Length) + k], $"row {row}, element {k}");
    }

    [TestMethod]
    [DataRow(768, QuantizationScheme.Symmetric), DataRow(768, QuantizationScheme.Asymmetric), DataRow(2048, QuantizationScheme.Symmetric), DataRow(2048, QuantizationScheme.Asymmetric), DataRow(300, QuantizationScheme.Symmetric)]
    public void MeanInput_IsKept(int length, QuantizationScheme scheme)
    {
        NBitPlan nearest = LaneCases.Plan(QuantizationAlgorithm.RoundToNearest, length, 48, scheme, 128), hqq = LaneCases.Plan(QuantizationAlgorithm.Hqq, length, 48, scheme, 128);
        var means = LaneCases.Means(length);
        double plain = Expected(nearest, NBitEncoder.TryMake(nearest)!), kept = Expected(nearest, NBitEncoder.TryMake(nearest, inputs: () => means)!), moved = Expected(hqq, NBitEncoder.TryMake(hqq, inputs: () => means)!);
        Assert.IsLessThan(0.5 * plain, kept);
        Assert.IsLessThanOrEqualTo(kept, moved);

        double Expected(NBitPlan plan, NBitWeight weight)
        {
            var (shift, noise) = LaneCases.Errors(plan, weight, means[0]);
            return shift + (means[0].Variance * noise);
        }
    }

    [TestMethod]
    [DataRow(QuantizationScheme.Symmetric), DataRow(QuantizationScheme.Asymmetric)]
    public void ZeroBlocks_StayZero(QuantizationScheme scheme)
    {
        var plan = LaneCases.Plan(QuantizationAlgorithm.RoundToNearest, 512, 20, scheme, 256, change: weight => weight[..(256 * 20)].Clear());
        var means = LaneCases.Means(512);
        var weight = NBitEncoder.TryMake(plan, inputs: () => means)!;
        for (int r = 0; r < 20; r++)
        {
            Assert.AreEqual(1f, weight.Scales.Effective[2 * r]);
            for (int k = 0; k < 256; k++) Assert.AreEqual(LaneCases.ZeroOf(weight, plan.Grid, r, k), weight.Codes[(r * 512) + k]);
        }

        Assert.AreEqual(weight.Codes.Where((c, i) => c != LaneCases.ZeroOf(weight, plan.Grid, i / 512, i % 512)).Count(), weight.NonZeroCount);
        Assert.IsLessThanOrEqualTo(20 * 256, weight.NonZeroCount);
    }

    [TestMethod]
    [DataRow(float.NaN), DataRow(float.PositiveInfinity), DataRow(float.NegativeInfinity)]
    public void WeightThatIsNotFinite_HasNoCodes(float number) =>
        Assert.IsNull(NBitEncoder.TryMake(LaneCases.Plan(QuantizationAlgorithm.Hqq, 300, 20, QuantizationScheme.Asymmetric, 128, change: weight => weight[^1] = number)));

    /// <summary>One scale that binary16 cannot hold: all are binary32, and codes follow them.</summary>
    [TestMethod]
    [DataRow(QuantizationScheme.Symmetric), DataRow(QuantizationScheme.Asymmetric)]
    public void ScalesThatAreNoHalves_AreKeptInFull(QuantizationScheme scheme)
    {
        var plan = LaneCases.Plan(QuantizationAlgorithm.RoundToNearest, 300, 20, scheme, 128, change: weight =>
        {
            for (int k = 0; k < 300; k++) weight[(k * 20) + 7] *= 1e-7f;
        });
        var weight = NBitEncoder.TryMake(plan)!;
        Assert.IsFalse(weight.Scales.IsHalf);
        Assert.IsTrue(NBitEncoder.TryMake(LaneCases.Plan(QuantizationAlgorithm.RoundToNearest, 300, 20, scheme, 128))!.Scales.IsHalf);
        for (int r = 0; r < 20; r++)
            for (int k = 0; k < 300; k++) AssertNearest(plan, weight, plan.Site.Tensor.AsSpan<float>()[(k * 20) + r], r, k);
    }
}
