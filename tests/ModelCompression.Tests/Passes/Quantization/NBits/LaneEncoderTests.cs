using ModelCompression.Analysis;
using ModelCompression.Numerics.NBits;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Quantization.NBits;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.NBits;

[TestClass]
public sealed class LaneEncoderTests
{
    [TestMethod]
    [DataRow(QuantizationAlgorithm.RoundToNearest, QuantizationScheme.Symmetric), DataRow(QuantizationAlgorithm.Hqq, QuantizationScheme.Symmetric)]
    [DataRow(QuantizationAlgorithm.RoundToNearest, QuantizationScheme.Asymmetric), DataRow(QuantizationAlgorithm.Hqq, QuantizationScheme.Asymmetric)]
    public void PackedCodes_AreTheCodesInPairs(QuantizationAlgorithm algorithm, QuantizationScheme scheme)
    {
        var plan = Plan(algorithm, 320, 50, scheme);
        var means = Means(320);
        var plain = NBitEncoder.TryMake(plan, inputs: () => means)!;
        var packed = NBitEncoder.TryMake(plan, inputs: () => means, packs: true)!;
        Assert.IsTrue(plan.TakesPairs);
        Assert.IsNull(plain.Pairs);
        CollectionAssert.AreEqual(BlockPacking.Pack(plain.Codes, 50, 320, 320, 4, 8), packed.Pairs);
        CollectionAssert.AreEqual(plain.Scales.Multiples, packed.Scales.Multiples);
        CollectionAssert.AreEqual(plain.ZeroPoints, packed.ZeroPoints);
        Assert.AreEqual(scheme == QuantizationScheme.Asymmetric ? plain.Scales.Multiples.Length : 0, plain.ZeroPoints.Length);
        Assert.AreEqual(plain.Codes.Where((c, i) => c != ZeroOf(plain, plan.Grid, i / 320, i % 320)).Count(), plain.NonZeroCount);
        Assert.AreEqual(plain.NonZeroCount, packed.NonZeroCount);
    }

    /// <summary>Scales that keep the output for the mean input, after they have been rounded to multiples, leave little of its error and cost little.</summary>
    [TestMethod]
    [DataRow(QuantizationScheme.Symmetric), DataRow(QuantizationScheme.Asymmetric)]
    public void MeanInput_IsKept(QuantizationScheme scheme)
    {
        NBitPlan plan = Plan(QuantizationAlgorithm.RoundToNearest, 768, 48, scheme), hqq = Plan(QuantizationAlgorithm.Hqq, 768, 48, scheme);
        var means = Means(768);
        var (plainError, plainNoise) = Errors(plan, NBitEncoder.TryMake(plan)!, means[0]);
        var (error, noise) = Errors(plan, NBitEncoder.TryMake(plan, inputs: () => means)!, means[0]);
        Assert.IsLessThan(0.05 * plainError, error);
        Assert.IsLessThan(1.1 * plainNoise, noise);
        var (moved, movedNoise) = Errors(hqq, NBitEncoder.TryMake(hqq, inputs: () => means)!, means[0]);
        Assert.IsLessThanOrEqualTo(error + (means[0].Variance * noise), moved + (means[0].Variance * movedNoise));
    }

    [TestMethod]
    public void WeightWithANaN_HasNoCodes()
    {
        var plan = Plan(QuantizationAlgorithm.RoundToNearest, 64, 20, nan: true);
        Assert.IsNull(NBitEncoder.TryMake(plan));
    }

    /// <summary>The codes of rows worked on together are about as good as those of a weight whose rows are taken one after the other.</summary>
    [TestMethod]
    [DataRow(QuantizationAlgorithm.RoundToNearest), DataRow(QuantizationAlgorithm.Hqq)]
    public void AsymmetricNoise_IsThatOfTheSearchGroupByGroup(QuantizationAlgorithm algorithm)
    {
        var plan = Plan(algorithm, 768, 48, QuantizationScheme.Asymmetric);
        var weight = NBitEncoder.TryMake(plan)!;
        var (_, noise) = Errors(plan, weight, Means(768)[0]);
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

    private static float ZeroOf(NBitWeight weight, WeightGrid grid, int row, int element) =>
        weight.ZeroPoints.Length == 0 ? 8 : weight.ZeroPoints[(row * grid.Blocks) + (element / grid.BlockLength)];

    private static MeanInput[] Means(int length)
    {
        var random = new Random(7);
        return [new MeanInput([.. Enumerable.Range(0, length).Select(_ => (float)(random.NextDouble() - 0.3))], 0.05f)];
    }

    /// <summary>Σ over rows of (e·m)² and Σ e².</summary>
    private static (double Shift, double Noise) Errors(NBitPlan plan, NBitWeight weight, MeanInput input)
    {
        var grid = plan.Grid;
        var elements = plan.Site.Tensor.AsSpan<float>();
        double shifts = 0, noise = 0;
        for (int row = 0; row < grid.Rows; row++)
        {
            double shift = 0;
            for (int k = 0; k < grid.Length; k++)
            {
                float x = elements[(k * grid.Rows) + row], value = (weight.Codes[(row * grid.Length) + k] - ZeroOf(weight, grid, row, k)) * weight.Scales.Effective[(row * grid.Blocks) + (k / grid.BlockLength)];
                shift += (x - value) * (double)input.Means[k];
                noise += (x - value) * (double)(x - value);
            }

            shifts += shift * shift;
        }

        return (shifts, noise);
    }

    private static NBitPlan Plan(QuantizationAlgorithm algorithm, int inputs, int outputs, QuantizationScheme scheme = QuantizationScheme.Symmetric, bool nan = false)
    {
        var model = new TestModel();
        var weight = model.Weight("w", inputs, outputs);
        model.Output(model.Node("MatMul", [model.Input("x", 4, inputs), weight]));
        if (nan)
        {
            float[] elements = weight.Initializer!.AsSpan<float>().ToArray();
            elements[^1] = float.NaN;
            model.Model.Graph.SetInitializer(weight, ModelCompression.Onnx.Tensors.Tensor.Float([inputs, outputs], elements));
        }

        var options = new CompressionOptions
        {
            Quantization = QuantizationMode.WeightOnly,
            QuantizationFormat = QuantizationFormat.MatMulNBits,
            QuantizationAlgorithm = algorithm,
            QuantizationScheme = scheme,
            WeightBits = 4,
            QuantizationGranularity = QuantizationGranularity.Block,
        };
        var site = WeightCatalog.Of(model.Model).Weights.Single();
        return NBitRules.Plan(site, site.Uses[0], options, GraphTarget.AllOf(model.Model)[model.Model.Graph]);
    }
}
