using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Runtime;
using ModelCompression.Tests.Runtime;

namespace ModelCompression.Tests.Passes.Quantization.Static;

[TestClass]
public sealed class AttainableRangeTests
{
    private const int Steps = 40_001;

    /// <summary>What ONNX Runtime makes of numbers from −10 to 10 reaches the bound, to three units in the last place, and does not exceed it by more.</summary>
    [TestMethod]
    [DataRow("HardSigmoid", 0.16666667f, 0.5f, 0f), DataRow("HardSigmoid", 0.2f, 0.5f, 0f), DataRow("HardSigmoid", 0.25f, 1.5f, 0f), DataRow("HardSigmoid", 0.16666667f, 0.5f, 0.7f), DataRow("Sigmoid", 0f, 0f, -0.3f)]
    public void SmallestOfAProduct_IsWhatTheOperatorReturns(string gate, float alpha, float beta, float shift)
    {
        using var model = SmallModel.Empty();
        var x = model.Input("x", DataType.Float, Steps);
        var factor = model.Node(gate, "factor", x);
        if (gate == "HardSigmoid")
        {
            factor.Producer!.SetAttribute(NodeAttribute.Of("alpha", alpha));
            factor.Producer!.SetAttribute(NodeAttribute.Of("beta", beta));
        }

        var result = model.Node("Mul", "product", factor, x);
        if (shift != 0) result = model.Node("Add", "shifted", model.Weight("c", Tensor.Float([1], shift)), result);
        model.Output(result, DataType.Float, Steps);

        var (min, max) = AttainableRange.Of(result);
        float found = Run(model, [.. Enumerable.Range(0, Steps).Select(i => (i - (Steps / 2)) / 2000f)]).Min();

        Assert.AreEqual(double.PositiveInfinity, max);
        // The grid passes the minimum at a distance of at most 1/4000, where a parabola of slope alpha is alpha/1.6e7 above it.
        Assert.AreEqual(min, found, (Math.Abs(min) / (1 << 21)) + (Math.Max(alpha, 0.3) / 1.6e7));
    }

    [TestMethod]
    public void UnknownOperators_AreNotBounded()
    {
        using var model = SmallModel.Empty();
        var x = model.Input("x", DataType.Float, 4);
        var other = model.Node("Mul", "other", x, model.Node("HardSigmoid", "gate", model.Node("Neg", "negative", x)));
        var falling = model.Node("HardSigmoid", "falling", x);
        falling.Producer!.SetAttribute(NodeAttribute.Of("alpha", -1f));
        foreach (var value in new[] { x, other, model.Node("Mul", "product", x, falling), model.Node("Exp", "exp", x), model.Node("Add", "sum", x, x) })
            Assert.AreEqual((double.NegativeInfinity, double.PositiveInfinity), AttainableRange.Of(value), value.Name);
    }

    [TestMethod]
    public void Clip_IsBoundedByItsLimits()
    {
        using var model = SmallModel.Empty();
        var clip = model.Node("Clip", "clip", model.Input("x", DataType.Float, 4), model.Weight("low", Tensor.Float([], -1)), model.Weight("high", Tensor.Float([], 6)));
        Assert.AreEqual((-1.0, 6.0), AttainableRange.Of(clip));
        Assert.AreEqual((-0.5, 6.5), AttainableRange.Of(model.Node("Add", "sum", clip, model.Weight("c", Tensor.Float([], 0.5f)))));
    }

    private static float[] Run(Model model, float[] x)
    {
        using var session = ModelSession.Open(OnnxWriter.ToBytes(model), "model", SessionSettings.Default, ModelRole.Original);
        return ((TensorValue)session.Run([new NamedValue("x", new TensorValue(Tensor.Float([x.Length], x)))])[0].Value).Tensor.AsSpan<float>().ToArray();
    }
}
