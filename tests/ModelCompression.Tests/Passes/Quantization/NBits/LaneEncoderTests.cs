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
    [DataRow(QuantizationAlgorithm.RoundToNearest), DataRow(QuantizationAlgorithm.Hqq)]
    public void PackedCodes_AreTheCodesInPairs(QuantizationAlgorithm algorithm)
    {
        var plan = Plan(algorithm, 320, 50);
        var means = Means(320);
        var plain = NBitEncoder.TryMake(plan, inputs: () => means)!;
        var packed = NBitEncoder.TryMake(plan, inputs: () => means, packs: true)!;
        Assert.IsTrue(plan.TakesPairs);
        Assert.IsNull(plain.Pairs);
        CollectionAssert.AreEqual(BlockPacking.Pack(plain.Codes, 50, 320, 320, 4, 8), packed.Pairs);
        CollectionAssert.AreEqual(plain.Scales.Multiples, packed.Scales.Multiples);
        Assert.AreEqual(plain.Codes.Count(c => c != 8), plain.NonZeroCount);
        Assert.AreEqual(plain.NonZeroCount, packed.NonZeroCount);
    }

    /// <summary>Scales that keep the output for the mean input, after they have been rounded to multiples, leave little of its error and cost little.</summary>
    [TestMethod]
    public void MeanInput_IsKept()
    {
        var plan = Plan(QuantizationAlgorithm.RoundToNearest, 768, 48);
        var means = Means(768);
        var (plainError, plainNoise) = Errors(plan, NBitEncoder.TryMake(plan)!, means[0]);
        var (error, noise) = Errors(plan, NBitEncoder.TryMake(plan, inputs: () => means)!, means[0]);
        Assert.IsLessThan(0.05 * plainError, error);
        Assert.IsLessThan(1.1 * plainNoise, noise);
        var (moved, movedNoise) = Errors(Plan(QuantizationAlgorithm.Hqq, 768, 48), NBitEncoder.TryMake(Plan(QuantizationAlgorithm.Hqq, 768, 48), inputs: () => means)!, means[0]);
        Assert.IsLessThanOrEqualTo(error + (means[0].Variance * noise), moved + (means[0].Variance * movedNoise));
    }

    [TestMethod]
    public void WeightWithANaN_HasNoCodes()
    {
        var plan = Plan(QuantizationAlgorithm.RoundToNearest, 64, 20, nan: true);
        Assert.IsNull(NBitEncoder.TryMake(plan));
    }

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
                float x = elements[(k * grid.Rows) + row], value = (weight.Codes[(row * grid.Length) + k] - 8) * weight.Scales.Effective[(row * grid.Blocks) + (k / grid.BlockLength)];
                shift += (x - value) * (double)input.Means[k];
                noise += (x - value) * (double)(x - value);
            }

            shifts += shift * shift;
        }

        return (shifts, noise);
    }

    private static NBitPlan Plan(QuantizationAlgorithm algorithm, int inputs, int outputs, bool nan = false)
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
            WeightBits = 4,
            QuantizationGranularity = QuantizationGranularity.Block,
        };
        var site = WeightCatalog.Of(model.Model).Weights.Single();
        return NBitRules.Plan(site, site.Uses[0], options, GraphTarget.AllOf(model.Model)[model.Model.Graph]);
    }
}
