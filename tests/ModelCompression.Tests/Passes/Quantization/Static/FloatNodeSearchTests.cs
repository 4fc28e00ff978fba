using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.Static;

/// <summary>Which operators stay float: the slow and the sensitive.</summary>
[TestClass]
public sealed class FloatNodeSearchTests
{
    private static readonly CompressionOptions Options = new() { Quantization = QuantizationMode.Static, TargetCpu = TargetCpu.X64Vnni };

    [TestMethod]
    public void SmallOperators_StayFloat_AndSayWhy()
    {
        var test = new TestModel();
        test.Output(test.Node("Softplus", [test.Node("Conv", [test.Input("x", 1, 2, 4, 4), test.Weight("w", 4, 2, 1, 1)])]));

        var log = Run(test);

        CollectionAssert.DoesNotContain(test.OpTypes(), "QuantizeLinear");
        Assert.IsTrue(log.Edits.Any(e => !e.Applied && e.Reason == FloatNodeSearch.NoGain), string.Join('\n', log.Edits));
        Assert.AreEqual("MCB4048", log.Diagnostics.Single().Code);
        Assert.Contains("QuantizationFormat=QDQ computes in integers all the same", log.Diagnostics.Single().Message);
    }

    [TestMethod]
    public void SensitiveOperator_StaysFloat_WhileTheOtherComputesWithIntegers()
    {
        // The first convolution returns 1000 + small differences, of which the second one sees only the differences: 8 bits of the sum lose them.
        var test = new TestModel();
        var x = test.Input("x", 1, 32, 24, 24);
        var healthy = test.Node("Softplus", [test.Node("Conv", [x, test.Weight("w1", 64, 32, 3, 3)])]);
        var large = test.Node("Conv", [x, test.Weight("w2", 64, 32, 3, 3), test.Constant("b2", Tensor.Float([64], [.. Enumerable.Repeat(100000f, 64)]))]);
        var difference = test.Node("Sub", [large, test.Constant("c", Tensor.Float([], 100000f))]);
        test.Output(test.Node("Softplus", [test.Node("Add", [healthy, difference])]));

        var log = Run(test);

        string reason = log.Edits.Single(e => !e.Applied && e.Target.Contains("node_Conv", StringComparison.Ordinal)).Reason;
        Assert.IsTrue(reason.StartsWith("sensitive: alone in integers it leaves the outputs at ", StringComparison.Ordinal), reason);
        Assert.DoesNotContain(d => d.Code == "MCB4048", log.Diagnostics);
        Assert.AreEqual("w1", log.Layers.Single(l => l.Bits == 8).Weight);
        Assert.AreEqual($"not static: {reason}", log.Layers.Single(l => l.Bits == 32).Reason);
    }

    [TestMethod]
    public void EstimatedTime_PrefersConnectedRegions()
    {
        var test = new TestModel();
        var x = test.Input("x", 1, 64, 40, 40);
        var a = test.Node("Relu", [test.Node("Conv", [x, test.Weight("wa", 64, 64, 1, 1)])]);
        // A depthwise convolution is slower in integers, but between two others it saves their conversions.
        var b = test.Node("Relu", [test.Node("Conv", [a, test.Weight("wb", 64, 1, 3, 3)], NodeAttribute.Of("group", 64L))]);
        test.Output(test.Node("Softplus", [test.Node("Conv", [b, test.Weight("wc", 64, 64, 1, 1)])]));
        var selector = new NodeSelector(test.Model, WeightCatalog.Of(test.Model), new CompressionSettings(Options));
        var all = selector.Select();
        var ranges = ActivationRanges.Collect(test.Model, StaticPlan.Of(all), Options, CalibrationRows.For(test.Model, 2), perChannel: false, null);
        var time = new TimeEstimate(test.Model, ranges, perChannel: false);
        var linear = all.Where(n => n.Role == StaticRole.Linear).ToArray();

        double whole = time.Saved(all);

        Assert.IsLessThan(0, time.SavedBy(linear[1]), "alone");
        Assert.IsGreaterThan(0, whole);
        var without = new Dictionary<Node, string>(ReferenceEqualityComparer.Instance) { [linear[1].Node] = "" };
        Assert.IsLessThan(whole, time.Saved(selector.Select(without)));
        Assert.AreEqual(0, time.Saved([]));
    }

    [TestMethod]
    public void Decisions_AreTakenOverByALaterRun()
    {
        var (first, second) = (TwoConvolutions(), TwoConvolutions());
        var decisions = new StaticDecisions();
        Assert.IsFalse(decisions.AreMade);
        var excluded = new Dictionary<Node, string>(ReferenceEqualityComparer.Instance) { [first.Graph.Nodes.First(n => n.OpType == "Conv")] = "by hand" };

        decisions.Make(excluded);
        var log = second.Run(new QuantizeStatically(CalibrationRows.For(second.Model), decisions), Options);

        Assert.IsTrue(decisions.AreMade);
        Assert.AreEqual("by hand", log.Edits.Single(e => !e.Applied).Reason);
        Assert.AreEqual("w2", log.Layers.Single(l => l.Bits == 8).Weight);
        Assert.HasCount(1, decisions.For(first.Model));
        var convolutions = first.Graph.Nodes.Where(n => n.OpType == "Conv").ToArray();
        Assert.IsFalse(decisions.HasCorrected(convolutions[0]), "it stays float");
        Assert.IsTrue(decisions.HasCorrected(convolutions[1]));
    }

    private static TestModel TwoConvolutions()
    {
        var test = new TestModel();
        var a = test.Node("Softplus", [test.Node("Conv", [test.Input("x", 1, 4, 8, 8), test.Weight("w1", 8, 4, 3, 3)])]);
        test.Output(test.Node("Softplus", [test.Node("Conv", [a, test.Weight("w2", 8, 8, 3, 3)])]));
        return test;
    }

    private static PassLog Run(TestModel test) => test.Run(new QuantizeStatically(CalibrationRows.For(test.Model, 4)), Options);
}
