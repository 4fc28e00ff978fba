using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Pipeline;

/// <summary>What passes may learn from runs on made-up inputs.</summary>
[TestClass]
public sealed class RunDataTests
{
    [TestMethod]
    public void Inputs_OfAModelThatIsDifferentAtEveryRun_AreNone()
    {
        var plain = new TestModel();
        plain.Output(plain.Node("Relu", [plain.Input("x", 1, 8)]));
        var random = new TestModel();
        var x = random.Input("x", 1, 8);
        random.Output(random.Node("Add", [x, random.Node("RandomNormalLike", [x])]));

        Assert.IsGreaterThan(0, SampleCount(plain.Model));
        Assert.AreEqual(0, SampleCount(random.Model), "results made from it would differ from build to build");
    }

    private static int SampleCount(Model model)
    {
        using var data = RunData.Open(new CompressionOptions(), model);
        return data.Inputs(threads: 1).SampleCount;
    }
}
