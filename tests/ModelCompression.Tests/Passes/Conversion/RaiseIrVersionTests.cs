using ModelCompression.Options;
using ModelCompression.Passes.Conversion;
using ModelCompression.Passes.Quantization;
using ModelCompression.Tests.Passes.Quantization;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Conversion;

[TestClass]
public sealed class RaiseIrVersionTests
{
    [TestMethod]
    [DataRow(7, 3, true)]
    [DataRow(8, 3, true)]
    [DataRow(9, 3, false)]
    [DataRow(8, 4, false)]
    public void BelowOpset9_IntegerConstantsBecomeInitializers(int opset, int irVersion, bool raised)
    {
        var original = Product(opset, irVersion);
        var model = Product(opset, irVersion);

        model.Run(new RaiseIrVersion());
        QuantizeWeightsFormTests.AssertClose(original.Model, model.Model, relative: 0);
        model.Run(new QuantizeWeights(), new() { Quantization = QuantizationMode.WeightOnly, QuantizationFormat = QuantizationFormat.Folded });

        Assert.AreEqual(raised ? 4 : irVersion, model.Model.IrVersion);
        Assert.AreEqual(opset, model.Model.OpsetImports[""]);
        Assert.AreEqual(opset == 9, model.OpTypes().Contains("Constant"));
        if (raised) CollectionAssert.AreEqual(new[] { "x" }, model.Graph.Inputs.Select(i => i.Name).ToArray());
        QuantizeWeightsFormTests.AssertClose(original.Model, model.Model, relative: 0.02);
    }

    private static TestModel Product(int opset, int irVersion)
    {
        var model = new TestModel(opset, irVersion);
        var weight = model.Input("w", 64, 48);
        model.Graph.SetInitializer(weight, model.RandomTensor(64, 48));
        model.Output(model.Node("MatMul", [model.Input("x", 3, 64), weight]));
        return model;
    }
}
