using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime;

namespace ModelCompression.Tests.Passes.Simplification;

[TestClass]
public sealed class SimplificationPipelineTests
{
    [TestMethod]
    public void Passes_ExposeWorkForEachOther()
    {
        var m = new TestModel();
        // The weights are hidden behind an Identity and a foldable Transpose, the scale behind another Identity.
        var w = m.Node("Transpose", [m.Node("Identity", [m.Weight("w", 3, 5, 1, 1)])], NodeAttribute.Of("perm", 1L, 0L, 2L, 3L));
        var y = m.Node("Dropout", [m.Node("Conv", [m.Input("x", 1, 3, 4, 4), w])]);
        var z = m.Node("BatchNormalization", [y, m.Node("Identity", [m.Weight("s", 5)]), m.Weight("B", 5), m.Weight("mean", 5), m.Positive("var", 5)]);
        m.Output(m.Node("Mul", [z, m.Weight("c", 1, 5, 1, 1)]));
        // Three products and seven other terms of at most √2, rounded twice by two foldings.
        var log = Equivalence.Keep(m.Model, () => Run(m), 4 * Math.Pow(2, -24) * 100 * Math.Sqrt(2));
        CollectionAssert.AreEqual(new[] { "Conv" }, m.OpTypes());
        Assert.HasCount(2, m.Graph.Initializers);
        Assert.IsTrue(log.Edits.All(e => e.Applied));
    }

    [TestMethod]
    public void SecondRun_ChangesNothing()
    {
        var m = new TestModel();
        var x = m.Input("x", 2, 3);
        m.Output(m.Node("Reshape", [m.Node("Identity", [x]), m.Node("Shape", [x])]));
        Run(m);
        Assert.DoesNotContain(true, Run(m).Edits.Select(e => e.Applied));
    }

    [TestMethod]
    public void Refusal_IsReportedOnce()
    {
        var m = new TestModel();
        var x = m.Input("x", 2);
        m.Output(m.Node("Identity", [x]), m.Node("Neg", [m.Node("Identity", [x])]));
        Assert.HasCount(1, Run(m).Edits.Where(e => !e.Applied).ToArray());
    }

    private static PassLog Run(TestModel m)
    {
        var log = new PassLog();
        new SimplificationPipeline(new OrtConstantEvaluator()).Run(m.Model, new CompressionSettings(new CompressionOptions()), log);
        return log;
    }
}
