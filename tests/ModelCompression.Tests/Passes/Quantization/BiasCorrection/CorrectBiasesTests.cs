using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Quantization.BiasCorrection;
using ModelCompression.Passes.Quantization.Dynamic;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Statistics;
using ModelCompression.Tests.Passes.Simplification;
using ModelCompression.Tests.Statistics;

namespace ModelCompression.Tests.Passes.Quantization.BiasCorrection;

/// <summary>After correction every layer of the quantized model has the float model's mean, whatever quantizes it.</summary>
[TestClass]
public sealed class CorrectBiasesTests
{
    private static readonly CompressionOptions Folded = new()
    {
        Quantization = QuantizationMode.WeightOnly,
        QuantizationFormat = QuantizationFormat.Folded,
        QuantizationGranularity = QuantizationGranularity.Tensor,
    };

    [TestMethod]
    [DataRow("convolutions")]
    [DataRow("branches")]
    [DataRow("leaky")]
    [DataRow("dense")]
    public void WeightOnly_MeansAreThoseOfTheFloatModel(string name)
    {
        var calibrator = Samples(name);
        var (before, plain, after) = (Make(name), Make(name), Make(name));
        var log = after.Run(new CorrectBiases(calibrator, () => [new QuantizeWeights()]), Folded);
        plain.Run(new QuantizeWeights(), Folded);
        after.Run(new QuantizeWeights(), Folded);
        Assert.HasCount(Layers(before).Length, log.Edits.Where(e => e.Applied).ToArray(), string.Join("; ", log.Edits));

        double[][] wanted = LayerMeans(before, calibrator), shifted = LayerMeans(plain, calibrator), corrected = LayerMeans(after, calibrator);
        for (int l = 0; l < wanted.Length; l++)
        {
            double shift = Distance(wanted[l], shifted[l]);
            Assert.IsGreaterThan(1e-4, shift, "Quantization shifts nothing here: the test shows nothing.");
            // What chance may explain is left: v/n of the shift squared, with 12 samples of 2 rows or of up to 81 positions.
            // A shift that Relu cuts is right to first order only: elements that it carries across 0 count in part.
            Assert.IsLessThan((name == "dense" ? 0.3 : 0.1) * shift, Distance(wanted[l], corrected[l]), $"layer {l}");
        }
    }

    [TestMethod]
    [DataRow(QuantizationMode.Dynamic, "dense")]
    [DataRow(QuantizationMode.Dynamic, "convolutions")]
    [DataRow(QuantizationMode.Static, "convolutions")]
    [DataRow(QuantizationMode.Static, "float operators")]
    public void OtherSchemes_OutputsComeCloserToTheirMean(QuantizationMode mode, string name)
    {
        var options = Folded with { Quantization = mode, QuantizationFormat = QuantizationFormat.Auto };
        var calibrator = Samples(name);
        IEnumerable<ModelPass> Quantizers() => mode == QuantizationMode.Dynamic ? [new QuantizeDynamically(), new QuantizeWeights()] : [new QuantizeStatically(calibrator), new QuantizeWeights()];
        var (before, plain, after) = (Make(name), Make(name), Make(name));
        after.Run(new CorrectBiases(calibrator, Quantizers), options);
        foreach (var pass in Quantizers()) plain.Run(pass, options);
        foreach (var pass in Quantizers()) after.Run(pass, options);
        double[] wanted = Mean(before, calibrator, before.Graph.Outputs[0]);
        double shift = Distance(wanted, Mean(plain, calibrator, plain.Graph.Outputs[0]));
        // A bias is itself rounded in a static model, and its ranges are measured anew.
        Assert.IsLessThan(0.5 * shift, Distance(wanted, Mean(after, calibrator, after.Graph.Outputs[0])));
    }

    [TestMethod]
    public void LayerWithoutBias_GetsOneOnlyWhereTheOperatorHasAnInputForIt()
    {
        var model = Make("convolutions");
        Assert.IsNull(model.Graph.Nodes.Last(n => n.OpType == "Conv").Input(2));
        model.Run(new CorrectBiases(Samples("convolutions"), () => [new QuantizeWeights()]), Folded);
        Assert.IsNotNull(model.Graph.Nodes.Last(n => n.OpType == "Conv").Input(2));

        var product = new TestModel();
        product.Output(product.Node("MatMul", [product.Input("x", 2, 24), product.Weight("w", 24, 24)]));
        byte[] before = OnnxWriter.ToBytes(product.Model);
        var log = product.Run(new CorrectBiases(Samples("dense"), () => [new QuantizeWeights()]), Folded);
        Assert.Contains("has no bias", log.Edits.Single().Reason);
        CollectionAssert.AreEqual(before, OnnxWriter.ToBytes(product.Model));
    }

    [TestMethod]
    public void SwitchedOff_NothingChanges()
    {
        var model = Make("convolutions");
        byte[] before = OnnxWriter.ToBytes(model.Model);
        model.Run(new CorrectBiases(Samples("convolutions"), () => [new QuantizeWeights()]), Folded with { BiasCorrection = false });
        CollectionAssert.AreEqual(before, OnnxWriter.ToBytes(model.Model));
    }

    [TestMethod]
    public void Result_DoesNotDependOnThreads()
    {
        var seen = new HashSet<string>();
        foreach (int threads in new[] { 1, 3 })
        {
            var model = Make("branches");
            model.Run(new CorrectBiases(Samples("branches", threads), () => [new QuantizeWeights()]), Folded);
            seen.Add(Convert.ToHexString(OnnxWriter.ToBytes(model.Model)));
        }

        Assert.HasCount(1, seen);
    }

    private static TestModel Make(string name)
    {
        var m = new TestModel();
        if (name == "dense")
        {
            var h = m.Node("Relu", [m.Node("Gemm", [m.Input("x", 2, 24), m.Weight("w1", 24, 40), m.Weight("b1", 40)], ModelCompression.Onnx.Graph.NodeAttribute.Of("beta", 0.5f))]);
            h = m.Node("Relu", [m.Node("Add", [m.Node("MatMul", [h, m.Weight("w2", 40, 30)]), m.Weight("b2", 30)])]);
            m.Output(m.Node("Gemm", [h, m.Weight("w3", 20, 30)], ModelCompression.Onnx.Graph.NodeAttribute.Of("transB", 1L)));
            return m;
        }

        var x = m.Node(name == "float operators" ? "Softplus" : "Relu", [m.Node("Conv", [m.Input("x", 1, 4, 9, 9), m.Weight("w1", 16, 4, 3, 3), m.Weight("b1", 16)])]);
        if (name == "branches")
        {
            var left = m.Node("Relu", [m.Node("Conv", [x, m.Weight("l", 16, 16, 1, 1), m.Weight("lb", 16)])]);
            var right = m.Node("Conv", [x, m.Weight("r", 16, 16, 1, 1)]);
            x = m.Node("Relu", [m.Node("Add", [left, right])]);
        }

        if (name == "leaky")
        {
            x = m.Node("LeakyRelu", [m.Node("Conv", [x, m.Weight("l", 16, 16, 1, 1), m.Weight("lb", 16)])], ModelCompression.Onnx.Graph.NodeAttribute.Of("alpha", 0.2f));
            x = m.Node("Max", [x, m.Constant("least", ModelCompression.Onnx.Tensors.Tensor.Float([1, 1, 1, 1], [-0.1f]))]);
        }

        x = m.Node("Relu", [m.Node("Conv", [x, m.Weight("w2", 16, 1, 3, 3), m.Weight("b2", 16)], ModelCompression.Onnx.Graph.NodeAttribute.Of("group", 16L))]);
        m.Output(m.Node("Conv", [x, m.Weight("w3", 8, 16, 1, 1)]));
        return m;
    }

    private static Calibrator Samples(string name, int threads = 2)
    {
        long[] dims = name == "dense" ? [2, 24] : [1, 4, 9, 9];
        int length = (int)dims.Aggregate((a, b) => a * b);
        return new(new FixedSamples("x", dims, [.. Enumerable.Range(0, 12).Select(i => Array.ConvertAll(RandomFloats.Make(i, length), v => v + 0.5f))]), 12, threads);
    }

    private static Node[] Layers(TestModel model) => [.. model.Graph.Nodes.Where(n => n.OpType is "Conv" or "Gemm" or "MatMul")];

    /// <summary>Behind the bias of a MatMul and behind Relu, where there is one.</summary>
    private static double[][] LayerMeans(TestModel model, Calibrator calibrator) =>
        [.. Layers(model).Select(n => Mean(model, calibrator, Behind("Max", Behind("LeakyRelu", Behind("Relu", Behind("Add", n.Output()!, n.OpType == "MatMul"))))))];

    private static Value Behind(string opType, Value value, bool applies = true) => applies && value.Uses is [{ Node: { } node }] && node.OpType == opType ? node.Output()! : value;

    private static double[] Mean(TestModel model, Calibrator calibrator, Value value)
    {
        var plan = new StatisticsPlan();
        int axis = model.Graph.Inputs[0].TensorType!.Shape!.Rank == 4 ? 1 : -1;
        var statistic = plan.Need(value, ChannelStatistic.Key(axis), () => new ChannelStatistic(axis));
        calibrator.Collect(model.Model, plan);
        return [.. Enumerable.Range(0, statistic.Channels).Select(statistic.Mean)];
    }

    private static double Distance(double[] a, double[] b) => Math.Sqrt(a.Zip(b).Sum(p => (p.First - p.Second) * (p.First - p.Second)));
}
