using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes;
using ModelCompression.Passes.Quantization;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>What a rehearsal on a copy has encoded is not encoded again.</summary>
[TestClass]
public sealed class RehearsedWeightsTests
{
    [TestMethod]
    public void RunAfterARehearsal_GivesTheSameBytes()
    {
        var (single, rehearsed) = (Layers(), Layers());
        var codes = new RehearsedWeights();

        new QuantizeWeights().Run(single.Model, WeightOnly.Settings, new PassLog());
        new QuantizeWeights(rehearsed: codes, rehearses: true).Run(ModelCopy.Of(rehearsed.Model).Model, WeightOnly.Settings, new PassLog());
        new QuantizeWeights(rehearsed: codes).Run(rehearsed.Model, WeightOnly.Settings, new PassLog());

        CollectionAssert.AreEqual(OnnxWriter.ToBytes(single.Model), OnnxWriter.ToBytes(rehearsed.Model));
    }

    [TestMethod]
    public void Take_GivesWhatWasKept_OnceAndOnlyForTheSameWay()
    {
        var test = Layers();
        var plan = WeightOnly.FirstPlan(test);
        var encoded = EncodedWeight.TryMake(plan, 1)!;
        var codes = new RehearsedWeights();
        codes.Add(plan, encoded);

        Assert.IsNull(codes.Take(plan with { Precision = WeightPrecision.Half }), "another precision");
        Assert.IsNull(codes.Take(plan with { IsAdaptive = !plan.IsAdaptive }), "errors not balanced");
        test.Graph.SetInitializer(plan.Site.Value, Tensor.Float(plan.Site.Tensor.Dims, plan.Site.Tensor.AsSpan<float>().ToArray()));
        Assert.IsNull(codes.Take(WeightOnly.FirstPlan(test)), "another tensor");
        Assert.AreSame(encoded, codes.Take(plan));
        Assert.IsNull(codes.Take(plan));
    }

    private static TestModel Layers()
    {
        var test = new TestModel();
        var hidden = test.Node("Relu", [test.Node("MatMul", [test.Input("x", 1, 96), test.Weight("w1", 96, 160)])]);
        test.Output(test.Node("MatMul", [hidden, test.Weight("w2", 160, 64)]));
        return test;
    }
}
