using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization;
using ModelCompression.Tests.Passes.Simplification;
using Tensor = ModelCompression.Onnx.Tensors.Tensor;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>Every precision of every operator, written into a model and read back through ONNX Runtime.</summary>
[TestClass]
public sealed class WeightPrecisionTests
{
    public static IEnumerable<object[]> Cases =>
        from c in WeightCase.All
        where c.Name != "gather"
        from opset in new[] { 7L, 13L, 21L }
        where opset >= c.Opset
        from precision in new[] { new WeightPrecision(8, true, false), new(9, false, false), new(10, false, false), new(10, true, false), new(12, false, false), WeightPrecision.Half }
        select new object[] { c.Name, opset, precision.Bits, precision.HasBlocks };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void UnpackedWeight_IsThatOfTheCodes(string name, long opset, int bits, bool blocks)
    {
        var actual = Build(name, opset);
        var expected = Build(name, opset);
        var planner = new WeightPlanner(actual.Model, WeightCatalog.Of(actual.Model), WeightOnly.Settings);
        var sites = WeightCatalog.Of(actual.Model).Weights;
        var twins = WeightCatalog.Of(expected.Model).Weights;
        var writers = new Dictionary<OnnxGraph, ConstantWriter>();
        for (int i = 0; i < sites.Count; i++)
        {
            var plan = planner.Decide(sites[i]).Plan! with { Precision = new(bits, blocks, bits == 16) };
            if (blocks && plan.Blocks is null) return;
            var encoded = EncodedWeight.TryMake(plan, 1)!;
            float[] restored = Restore(plan, encoded);
            AssertWithinAStep(sites[i].Tensor.AsSpan<float>(), restored, bits, blocks);
            twins[i].Value.Graph.SetInitializer(twins[i].Value, Tensor.Float(twins[i].Tensor.Dims, restored));
            if (!writers.TryGetValue(plan.Target.Graph, out var writer)) writers.Add(plan.Target.Graph, writer = new(plan.Target));
            WeightWriter.Write(plan, encoded, CodeStorage.Of(plan, encoded), writer, i);
        }

        Assert.IsEmpty(GraphVerifier.Verify(actual.Model));
        QuantizeWeightsFormTests.AssertClose(expected.Model, actual.Model);
        if (opset == 13) CollectionAssert.AreEquivalent(OptimizedModel.OpTypes(expected.Model), OptimizedModel.OpTypes(actual.Model), "Something is left to do at run time.");
    }

    [TestMethod]
    public void EstimatedBytes_AreThoseOfTheFile()
    {
        foreach (var precision in new[] { WeightPrecision.Plain, new(8, true, false), new(9, true, false), new(12, true, false), WeightPrecision.Half })
        {
            var model = Build("matmul", 13);
            long before = OnnxWriter.ToBytes(model.Model).Length;
            var site = WeightCatalog.Of(model.Model).Weights[0];
            var plan = new WeightPlanner(model.Model, WeightCatalog.Of(model.Model), WeightOnly.Settings).Decide(site).Plan! with { Precision = precision };
            var encoded = EncodedWeight.TryMake(plan, 1)!;
            long expected = StoredSize.Of(plan) - StoredSize.OfFloat(site);
            WeightWriter.Write(plan, encoded, CodeStorage.Of(plan, encoded), new(plan.Target), 0);
            // Names are estimated, and constants of packed bits may be shared.
            Assert.AreEqual(expected, OnnxWriter.ToBytes(model.Model).Length - before, 120, $"{precision}");
        }
    }

    [TestMethod]
    public void SmallSensitiveWeights_GetMoreThanAByte_WithinTheSizeLimit()
    {
        var model = new TestModel();
        var depthwise = model.Node("Conv", [model.Input("x", 1, 16, 12, 12), model.Constant("small", WeightOnly.HeavyTailed(model, 25, 16, 1, 3, 3))], NodeAttribute.Of("group", 16L));
        model.Output(model.Node("Conv", [depthwise, model.Constant("large", WeightOnly.HeavyTailed(model, 25, 512, 16, 5, 5))]));
        long before = OnnxWriter.ToBytes(model.Model).Length;
        var log = model.Run(new QuantizeWeights(), WeightOnly.Options);
        var (small, large) = (log.Layers.Single(l => l.Weight == "small"), log.Layers.Single(l => l.Weight == "large"));
        Assert.IsLessThanOrEqualTo(8, large.Bits);
        // Alike in distribution, they would lose alike with one precision for all.
        Assert.IsGreaterThan(large.SqnrDb!.Value + 6, small.SqnrDb!.Value, $"{small.Action} {small.SqnrDb}; {large.Action} {large.SqnrDb}");
        Assert.IsLessThanOrEqualTo(before / 3.5, OnnxWriter.ToBytes(model.Model).Length);
    }

    [TestMethod]
    [DataRow(Preset.Balanced)]
    [DataRow(Preset.Smallest)]
    public void BiasesOfSensitiveLayers_StayInBinary32_WhereBytesDoNotComeFirst(Preset preset)
    {
        var model = new TestModel();
        var x = model.Node("Conv", [model.Input("x", 1, 8, 32, 32), model.Weight("first", 64, 8, 1, 1), model.Constant("small", model.RandomTensor(64))]);
        for (int i = 0; i < 10; i++) x = model.Node("Conv", [x, model.Weight("w", 64, 64, 3, 3), model.Constant("bias", model.RandomTensor(64))]);
        model.Output(model.Node("Conv", [x, model.Weight("third", 256, 64, 3, 3), model.Constant("last", model.RandomTensor(256))]));
        var narrow = model.Run(new QuantizeWeights(), WeightOnly.Options with { Preset = preset }).Layers.Where(l => l.Bits == 16).Select(l => l.Weight).ToArray();
        Assert.AreEqual(preset == Preset.Smallest, narrow.Contains("small"), string.Join(", ", narrow));
        Assert.Contains("last", narrow);
    }

    [TestMethod]
    public void FilterBanks_GetMoreBitsThanOtherLayersOfTheirPlace()
    {
        Assert.IsGreaterThan(Bits(64, 1), Bits(1, 64));

        // The last of three layers, of as many elements either way.
        static int Bits(int channels, int taps)
        {
            var model = new TestModel();
            var first = model.Node("Conv", [model.Input("x", 1, 64, 512), model.Constant("first", model.RandomTensor(64, 64, 64))]);
            model.Output(model.Node("Conv", [first, model.Constant("second", model.RandomTensor(128, 64, 64))]));
            model.Output(model.Node("Conv", [model.Input("y", 1, channels, 512), model.Constant("last", model.RandomTensor(64, channels, taps))]));
            return model.Run(new QuantizeWeights(), WeightOnly.Options).Layers.Single(l => l.Weight == "last").Bits;
        }
    }

    [TestMethod]
    [DataRow(8, false, 0)]
    [DataRow(8, true, 0)]
    [DataRow(8, false, 3)]
    [DataRow(8, true, 3)]
    [DataRow(10, true, 0)]
    public void ScalesInBinary16_LoseNothing(int bits, bool blocks, int curvature)
    {
        var plain = new WeightPrecision(bits, blocks, false) { Curvature = curvature };
        (double sqnr, long bytes) = Measure(plain);
        (double halfSqnr, long halfBytes) = Measure(plain with { HasHalfScales = true });

        Assert.IsLessThan(bytes, halfBytes);
        // A scale grows by at most 2^-10.
        Assert.AreEqual(sqnr, halfSqnr, 0.1);

        static (double SqnrDb, long Bytes) Measure(WeightPrecision precision)
        {
            var model = new TestModel();
            var weight = model.RandomTensor(256, 300);
            model.Output(model.Node("MatMul", [model.Input("x", 256, 256), model.Constant("w", weight)]));
            var site = WeightCatalog.Of(model.Model).Weights[0];
            var plan = new WeightPlanner(model.Model, WeightCatalog.Of(model.Model), WeightOnly.Settings).Decide(site).Plan! with { Precision = precision };
            var encoded = EncodedWeight.TryMake(plan, 1)!;
            WeightWriter.Write(plan, encoded, CodeStorage.Of(plan, encoded), new(plan.Target), 0);
            byte[] bytes = OnnxWriter.ToBytes(model.Model);
            double noise = 0, signal = 0;
            float[] unpacked = TimesIdentity(bytes, 256);
            for (int i = 0; i < unpacked.Length; i++)
            {
                float exact = weight.AsSpan<float>()[i];
                signal += (double)exact * exact;
                noise += Math.Pow(exact - unpacked[i], 2);
            }

            // What is unpacked is what the noise was measured on.
            Assert.AreEqual(encoded.Noise.SqnrDb, 10 * Math.Log10(signal / noise), 0.01);
            return (encoded.Noise.SqnrDb, bytes.Length);
        }
    }

    /// <summary>The only output of a model whose only input, x, is square.</summary>
    private static float[] TimesIdentity(byte[] model, int size)
    {
        using var session = new InferenceSession(model);
        float[] identity = new float[size * size];
        for (int i = 0; i < size; i++) identity[(i * size) + i] = 1;
        using var outputs = session.Run([NamedOnnxValue.CreateFromTensor("x", new DenseTensor<float>(identity, [size, size]))]);
        return [.. outputs[0].AsEnumerable<float>()];
    }

    [TestMethod]
    public void ChannelsTooSmallForANormalScale_BecomeZero_AndDoNotBreakTheEstimate()
    {
        var model = new TestModel();
        float[] weights = model.RandomTensor(64, 64).AsSpan<float>().ToArray();
        for (int i = 0; i < 64; i++) weights[i] *= 1e-41f;
        model.Output(model.Node("Conv", [model.Input("x", 1, 64, 5, 5), model.Constant("w", Tensor.Float([64, 64, 1, 1], weights))]));
        var plan = WeightOnly.FirstPlan(model);
        foreach (var candidate in PrecisionCandidates.Of(plan)!.Candidates)
        {
            var noise = EncodedWeight.TryMake(plan with { Precision = candidate.Precision }, 1)!.Noise;
            Assert.AreEqual(10 * Math.Log10(1 / candidate.NoiseToSignal), noise.SqnrDb, 1.5, $"{candidate.Precision}");
        }
    }

    private static TestModel Build(string name, long opset)
    {
        var model = new TestModel(opset);
        WeightCase.All.Single(c => c.Name == name).Build(model);
        return model;
    }

    private static float[] Restore(WeightPlan plan, EncodedWeight encoded)
    {
        var restored = new float[plan.Site.Tensor.ElementCount];
        for (int i = 0; i < restored.Length; i++)
        {
            var layout = plan.Precision.HasBlocks ? plan.Blocks!.Layout : plan.Layout;
            int scale = Numerics.ScalarQuantization.ScaleOf(layout, i);
            restored[i] = encoded.Codes.DataType switch
            {
                DataType.Float16 => (float)encoded.Codes.AsSpan<Half>()[i],
                DataType.Int16 => encoded.Codes.AsSpan<short>()[i],
                _ => encoded.Codes.AsSpan<sbyte>()[i],
            };
            if (plan.Precision.HasBlocks) restored[i] *= encoded.BlockMultiples[scale] * encoded.Scales[plan.Blocks!.ChannelOf(scale)];
            else if (!plan.Precision.IsHalf) restored[i] *= encoded.Scales[scale];
        }

        return restored;
    }

    /// <summary>
    /// Weights lie in [−1, 1], so a step is at most 1 / (2^(bits−1) − 1), with blocks rounded up to the next of 255 multiples. A weight moves to its second-nearest level for
    /// the sake of its channel only when that is at most 0.7 steps away.
    /// </summary>
    private static void AssertWithinAStep(ReadOnlySpan<float> weights, float[] restored, int bits, bool blocks)
    {
        double step = bits == 16 ? Math.Pow(2, -11) : 1.0 / ((1 << (bits - 1)) - 1) * (blocks ? 1 + (1.0 / 255) : 1);
        for (int i = 0; i < restored.Length; i++) Assert.IsLessThanOrEqualTo(step * 0.7001, Math.Abs((double)weights[i] - restored[i]));
    }
}
