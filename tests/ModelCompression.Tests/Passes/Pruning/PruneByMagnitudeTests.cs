using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Pruning;

namespace ModelCompression.Tests.Passes.Pruning;

[TestClass]
public sealed class PruneByMagnitudeTests
{
    private static readonly CompressionOptions Half = new() { Pruning = PruningCriterion.Magnitude, Sparsity = 0.5 };

    [TestMethod]
    public void Global_RemovesTheExactShareOfAllWeights()
    {
        using var model = SmallNet.Create();
        var log = Run(model, Half with { Sparsity = 0.9 });
        long total = (16 * 8 * 9) + (64 * 256);
        Assert.AreEqual((long)Math.Round(0.9 * total), Zeros(model, "filters") + Zeros(model, "matrix"));
        Assert.IsGreaterThan(Zeros(model, "filters") / 1152.0, Zeros(model, "matrix") / 16384.0, "The layer with the smaller weights loses more.");
        Assert.AreEqual(0, Zeros(model, "bias"));
        Assert.AreEqual("MCB4020", log.Diagnostics.Single().Code);
        Assert.AreEqual(DiagnosticSeverity.Message, log.Diagnostics[0].Severity);
    }

    [TestMethod]
    public void Layer_RemovesTheExactShareOfEachWeight()
    {
        using var model = SmallNet.Create();
        var log = Run(model, Half with { Sparsity = 0.3, PruningScope = PruningScope.Layer });
        Assert.AreEqual((long)Math.Round(0.3 * 1152), Zeros(model, "filters"));
        Assert.AreEqual((long)Math.Round(0.3 * 16384), Zeros(model, "matrix"));
        var record = log.Layers.Single(l => l.Weight == "matrix");
        Assert.AreEqual(4915 / 16384.0, record.Sparsity);
        StringAssert.StartsWith(record.Action, "pruned by magnitude, Unstructured, 30.0 % zeros");
    }

    [TestMethod]
    public void Sqnr_IsThatOfTheRemovedWeights()
    {
        using var model = SmallNet.Create();
        var before = Constant(model, "matrix").AsSpan<float>().ToArray();
        var log = Run(model, Half);
        var after = Constant(model, "matrix").AsSpan<float>().ToArray();
        double signal = before.Sum(w => (double)w * w);
        double noise = before.Zip(after, (a, b) => ((double)a - b) * ((double)a - b)).Sum();
        Assert.AreEqual(10 * Math.Log10(signal / noise), log.Layers.Single(l => l.Weight == "matrix").SqnrDb!.Value, 1e-9);
    }

    [TestMethod]
    public void OutputError_IsThatOfTheRemovedWeights()
    {
        using var original = SmallNet.Create();
        using var model = SmallNet.Create();
        var log = Run(model, Half with { PruningScope = PruningScope.Layer });
        float[] expected = SmallNet.Run(original);
        float[] actual = SmallNet.Run(model);
        double noise = expected.Zip(actual, (a, b) => ((double)a - b) * ((double)a - b)).Sum();
        double sqnr = 10 * Math.Log10(expected.Sum(e => (double)e * e) / noise);
        // Independent errors of two layers add: the output's SQNR lies near that of the weights less 3 dB; 6 dB more for the sampling of 64 outputs.
        double weights = log.Layers.Min(l => l.SqnrDb!.Value);
        Assert.IsGreaterThan(weights - 9, sqnr);
        Assert.IsLessThan(100, sqnr);
    }

    [TestMethod]
    [DataRow(2, 4)]
    [DataRow(1, 4)]
    [DataRow(3, 7)]
    public void NOfM_HoldsAlongTheReductionAxis(int n, int m)
    {
        using var model = SmallNet.Create();
        Run(model, new CompressionOptions { Pruning = PruningCriterion.Magnitude, PruningPattern = new(PruningPatternKind.NOfM, n, m) });
        AssertNOfM(Constant(model, "filters"), 16, 8, 9, n, m);
        AssertNOfM(Constant(model, "matrix"), 64, 256, 1, n, m);
    }

    [TestMethod]
    public void NOfM_OverFewerInputsThanItKeeps_IsRefusedWithAReason()
    {
        using var model = SmallNet.Create();
        var log = Run(model, new CompressionOptions { Pruning = PruningCriterion.Magnitude, PruningPattern = new(PruningPatternKind.NOfM, 8, 16) });
        Assert.AreEqual(0, Zeros(model, "filters"));
        Assert.IsGreaterThan(0, Zeros(model, "matrix"));
        Assert.IsTrue(log.Edits.Any(e => e is { Applied: false, Target: "conv", Reason: "it sums over 8 inputs, and 8:16 keeps 8 of them" }));
    }

    [TestMethod]
    public void EmptyChannel_KeepsItsLargestWeightAndWarns()
    {
        using var model = SmallNet.Create();
        var elements = Constant(model, "matrix").AsSpan<float>().ToArray();
        for (int i = 0; i < 256; i++) elements[(5 * 256) + i] = 1e-6f * (i == 77 ? -3 : 1);
        model.Graph.SetInitializer(model.Graph.Initializers.Single(v => v.Name == "matrix"), Tensor.Float([64, 256], elements));
        var log = Run(model, Half);
        var row = Constant(model, "matrix").AsSpan<float>().Slice(5 * 256, 256).ToArray();
        Assert.AreEqual(elements[(5 * 256) + 77], row[77]);
        Assert.AreEqual(255, row.Count(w => w == 0));
        var warning = log.Diagnostics.Single(d => d.Code == "MCB4021");
        Assert.AreEqual(DiagnosticSeverity.Warning, warning.Severity);
        StringAssert.Contains(warning.Message, "gemm (1)");
    }

    [TestMethod]
    public void NaN_RefusesTheLayer()
    {
        using var model = SmallNet.Create();
        var elements = Constant(model, "filters").AsSpan<float>().ToArray();
        elements[700] = float.NaN;
        model.Graph.SetInitializer(model.Graph.Initializers.Single(v => v.Name == "filters"), Tensor.Float([16, 8, 3, 3], elements));
        var log = Run(model, Half);
        Assert.AreEqual(0, Zeros(model, "filters"));
        Assert.AreEqual(8192, Zeros(model, "matrix"));
        Assert.IsTrue(log.Edits.Any(e => !e.Applied && e.Target == "conv" && e.Reason.Contains("NaN", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void ExcludedAndRuledOutLayers_AreLeftAlone()
    {
        using var model = SmallNet.Create();
        Run(model, Half with { ExcludeNodes = ["con*"] });
        Assert.AreEqual(0, Zeros(model, "filters"));
        using var ruled = SmallNet.Create();
        var rule = new CompressionRule(["gemm"], [], o => o with { Pruning = PruningCriterion.None });
        new PruneByMagnitude().Run(ruled, new CompressionSettings(Half, [rule]), new PassLog());
        Assert.AreEqual(576, Zeros(ruled, "filters"));
        Assert.AreEqual(0, Zeros(ruled, "matrix"));
    }

    [TestMethod]
    public void RuledSparsity_IsRankedByItself()
    {
        using var model = SmallNet.Create();
        var rule = new CompressionRule(["gemm"], [], o => o with { Sparsity = 0.75 });
        new PruneByMagnitude().Run(model, new CompressionSettings(Half, [rule]), new PassLog());
        Assert.AreEqual(576, Zeros(model, "filters"));
        Assert.AreEqual(12288, Zeros(model, "matrix"));
    }

    [TestMethod]
    public void ConstantNode_IsPrunedInPlace()
    {
        using var model = SmallNet.Create();
        var weight = model.Graph.Initializers.Single(v => v.Name == "matrix");
        var tensor = weight.Initializer!;
        var constant = model.Graph.AddNode("Constant", [], ["k"], [NodeAttribute.Of("value", tensor)], index: 0).Outputs[0]!;
        weight.ReplaceAllUsesWith(constant);
        model.Graph.RemoveInitializer(weight);
        Run(model, Half with { PruningScope = PruningScope.Layer });
        Assert.IsTrue(constant.TryGetConstant(out var pruned));
        Assert.AreEqual(8192, pruned.AsSpan<float>().Count(0f));
    }

    [TestMethod]
    public void Embedding_IsPrunedOnlyWhenNamed()
    {
        foreach (bool named in new[] { false, true })
        {
            using var model = new Model(new OnnxGraph("g"));
            model.OpsetImports[""] = 13;
            var ids = model.Graph.AddInput("ids", new TensorType(DataType.Int64, Shape.Of(3)));
            var node = model.Graph.AddNode("Gather", [model.Graph.AddInitializer("table", SmallNet.Weights(new Random(1), 1, 50, 20)), ids], ["e"]);
            model.Graph.AddOutput(node.Outputs[0]!);
            var log = Run(model, named ? Half with { IncludeOpTypes = ["Gather"] } : Half);
            Assert.AreEqual(named ? 500 : 0, Zeros(model, "table"));
            Assert.AreEqual(named, log.Edits.All(e => e.Applied));
        }
    }

    private static PassLog Run(Model model, CompressionOptions options)
    {
        var log = new PassLog();
        new PruneByMagnitude().Run(model, new CompressionSettings(options), log);
        return log;
    }

    private static Tensor Constant(Model model, string name) => model.Graph.Initializers.Single(v => v.Name == name).Initializer!;

    private static int Zeros(Model model, string name) => Constant(model, name).AsSpan<float>().Count(0f);

    private static void AssertNOfM(Tensor tensor, int outer, int axis, int inner, int n, int m)
    {
        var weights = tensor.AsSpan<float>();
        for (int o = 0; o < outer; o++)
            for (int i = 0; i < inner; i++)
                for (int first = 0; first < axis; first += m)
                {
                    int nonZeros = 0;
                    for (int k = first; k < Math.Min(first + m, axis); k++) nonZeros += weights[(((o * axis) + k) * inner) + i] != 0 ? 1 : 0;
                    Assert.AreEqual(Math.Min(n, Math.Min(m, axis - first)), nonZeros);
                }
    }
}
