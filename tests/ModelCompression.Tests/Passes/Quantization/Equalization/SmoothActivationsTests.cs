using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization.Dynamic;
using ModelCompression.Passes.Quantization.Equalization;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Tests.Passes.Simplification;
using ModelCompression.Tests.Statistics;

namespace ModelCompression.Tests.Passes.Quantization.Equalization;

/// <summary>The function stays, factors are those of the paper, and activations with outliers lose less.</summary>
[TestClass]
public sealed class SmoothActivationsTests
{
    private static readonly CompressionOptions SmoothQuant = new() { Quantization = QuantizationMode.Dynamic, Equalization = ModelCompression.Options.Equalization.SmoothQuant };

    private static readonly long[] Dims = [2, 6, 32];

    [TestMethod]
    [DataRow("LayerNormalization", "folded")]
    [DataRow("LayerNormalization without beta", "folded")]
    [DataRow("spelled out", "folded")]
    [DataRow("gamma only", "folded")]
    [DataRow("gemm", "folded")]
    [DataRow("residual", "by a multiplication")]
    public void Smoothing_KeepsTheFunctionAndLosesLess(string name, string form)
    {
        var (before, after) = (Make(name), Make(name));
        var plain = Make(name);
        var log = after.Run(new SmoothActivations(Samples()), SmoothQuant);
        Assert.HasCount(2, log.Edits.Where(e => e.Applied && e.Reason.Contains(form, StringComparison.Ordinal)).ToArray(), string.Join("; ", log.Edits));
        float[] x = Sample(100);
        var wanted = Run(before.Model, x);
        // Every element of an activation and of a weight is rounded once more: 2 · 2^−24, times the factors' spread of up to 2^7.
        Assert.IsNull(Equivalence.Difference(wanted, Run(after.Model, x), values => 2e-5 * values.Max(Math.Abs)));

        plain.Run(new QuantizeDynamically(), SmoothQuant);
        after.Run(new QuantizeDynamically(), SmoothQuant);
        Assert.IsLessThan(Distance(wanted, Run(plain.Model, x)) / 2, Distance(wanted, Run(after.Model, x)));
    }

    [TestMethod]
    public void Factors_ShareTheRangeBetweenActivationsAndWeights()
    {
        var model = Make("LayerNormalization");
        float[] gamma = Constant(model, "LayerNormalization", 1);
        float[] first = Constant(model, "MatMul", 1);
        double[] activation = new double[32];
        foreach (int seed in Enumerable.Range(0, 8))
        {
            float[] normalized = [.. FlatValue.Of(Run(Normalized().Model, Sample(seed))[0].Value).Single().Reals.Select(v => (float)v)];
            for (int i = 0; i < normalized.Length; i++) activation[i % 32] = Math.Max(activation[i % 32], Math.Abs(normalized[i]));
        }

        float[] second = model.Graph.Nodes.Last(n => n.OpType == "MatMul").Input(1)!.Initializer!.AsSpan<float>().ToArray();
        model.Run(new SmoothActivations(Samples()), SmoothQuant);
        float[] after = Constant(model, "LayerNormalization", 1);
        for (int c = 0; c < 32; c++)
        {
            double weight = Math.Max(first.AsSpan(c * 16, 16).ToArray().Max(Math.Abs), second.AsSpan(c * 16, 16).ToArray().Max(Math.Abs));
            Assert.AreEqual(gamma[c] / (Math.Sqrt(activation[c]) / Math.Sqrt(weight)), after[c], 1e-4 * Math.Abs(after[c]));
        }
    }

    [TestMethod]
    public void ProductThatNoNormalizationFeeds_IsLeftAlone()
    {
        var model = new TestModel();
        model.Output(model.Node("MatMul", [model.Node("Relu", [model.Input("x", Dims)]), model.Weight("w", 32, 16)]));
        byte[] before = OnnxWriter.ToBytes(model.Model);
        var log = model.Run(new SmoothActivations(Samples()), SmoothQuant);
        Assert.Contains("not the output of a normalization", log.Edits.Single().Reason);
        Assert.AreEqual("MCB4071", log.Diagnostics.Single().Code);
        CollectionAssert.AreEqual(before, OnnxWriter.ToBytes(model.Model));
    }

    internal static Calibrator Samples() => new(new FixedSamples("x", Dims, [.. Enumerable.Range(0, 8).Select(Sample)]), 8, 2);

    private static float[] Sample(int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, 2 * 6 * 32).Select(_ => (float)((random.NextDouble() * 2) - 1))];
    }

    private static TestModel Normalized()
    {
        var m = new TestModel(17);
        m.Output(m.Node("LayerNormalization", [m.Input("x", Dims), Outliers(m), m.Weight("beta", 32)]));
        return m;
    }

    internal static TestModel Make(string name)
    {
        var m = new TestModel(17);
        var x = m.Input("x", Dims);
        var gamma = Outliers(m);
        var beta = m.Weight("beta", 32);
        var y = name switch
        {
            "LayerNormalization without beta" => m.Node("LayerNormalization", [x, gamma]),
            "spelled out" => m.Node("Add", [m.Node("Mul", [m.Node("Tanh", [x]), gamma]), beta]),
            "gamma only" => m.Node("Mul", [m.Node("Tanh", [x]), gamma]),
            _ => m.Node("LayerNormalization", [x, gamma, beta]),
        };
        if (name == "gemm") y = m.Node("LayerNormalization", [m.Node("Reshape", [x, m.Ints(12, 32)]), gamma, beta]);
        string product = name == "gemm" ? "Gemm" : "MatMul";
        m.Output(m.Node(product, [y, m.Weight("q", 32, 16)]), m.Node(product, [y, m.Weight("k", 32, 16)]));
        if (name == "residual") m.Output(m.Node("Add", [x, y]));
        return m;
    }

    /// <summary>Gamma with two channels 40 times as large as the others, as transformers have.</summary>
    private static Value Outliers(TestModel m)
    {
        float[] gamma = m.RandomTensor(32).AsSpan<float>().ToArray();
        for (int i = 0; i < gamma.Length; i++) gamma[i] = (gamma[i] + (gamma[i] < 0 ? -0.2f : 0.2f)) * (i % 16 == 5 ? 40 : 1);
        return m.Constant("gamma", Tensor.Float([32], gamma));
    }

    private static float[] Constant(TestModel model, string opType, int input) =>
        model.Graph.Nodes.First(n => n.OpType == opType).Input(input)!.Initializer!.AsSpan<float>().ToArray();

    private static IReadOnlyList<NamedValue> Run(Model model, float[] x)
    {
        using var session = ModelSession.Open(OnnxWriter.ToBytes(model), "test.onnx", SessionSettings.Lean, ModelRole.Compressed);
        return session.Run([new("x", new TensorValue(Tensor.Float(Dims, x)))]);
    }

    /// <summary>Of the two products; the third output does not change.</summary>
    private static double Distance(IReadOnlyList<NamedValue> expected, IReadOnlyList<NamedValue> actual) => Math.Sqrt(Enumerable.Range(0, 2).Sum(i =>
        FlatValue.Of(expected[i].Value).Single().Reals.Zip(FlatValue.Of(actual[i].Value).Single().Reals).Sum(p => (p.First - p.Second) * (p.First - p.Second))));
}
