using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes.Float16;
using ModelCompression.Passes.Quantization;
using ModelCompression.Pipeline.Inspection;
using ModelCompression.Testing;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Pipeline;

[TestClass]
public sealed class ModelInspectorTests : IDisposable
{
    private static readonly CompressionOptions Float16 = new() { Quantization = QuantizationMode.Float16 };

    private readonly TemporaryFolder folder = new("mcb-inspect-");

    public void Dispose() => folder.Dispose();

    [TestMethod]
    public void WeightBehindACast_IsListedUnderTheOperatorThatUsesIt()
    {
        var model = Net();
        model.Run(new ConvertToFloat16(), Float16);

        var inspection = Inspect(model);

        var found = inspection.Graphs[0].Operators.SelectMany(o => o.Weights.Select(w => (o.OpType, w))).ToDictionary(p => p.w.Name, p => p);
        Assert.AreEqual(("MatMul", "node_MatMul", "matrix, behind a Cast", true), (found["w"].OpType, found["w"].w.Node, found["w"].w.Role, found["w"].w.Compressible));
        Assert.AreEqual(("Add", "node_Add", "used by Add as input 1 behind a Cast", false), (found["b"].OpType, found["b"].w.Node, found["b"].w.Role, found["b"].w.Compressible));
        Assert.AreEqual((2 * 24 * 64, 24 * 64, 2 * 64), (inspection.CompressibleBytes, inspection.CompressibleWeights, inspection.OtherBytes));
    }

    [TestMethod]
    public void WeightBehindACastOfAQuantizedModel_IsNoneToCompress()
    {
        var model = Net();
        var product = model.Node("MatMul", [model.Graph.Outputs[0], model.Weight("codes", 64, 64)]);
        model.Run(new QuantizeWeights(), new CompressionOptions { Quantization = QuantizationMode.WeightOnly, ExcludeNodes = ["node_MatMul"] });
        model.Output(product);
        model.Run(new ConvertToFloat16(), Float16);

        var weight = Inspect(model).Graphs[0].Operators.SelectMany(o => o.Weights).Single(w => w.Name == "w");

        Assert.AreEqual(("node_MatMul", false, "used by MatMul as input 1 behind a Cast"), (weight.Node, weight.Compressible, weight.Role));
    }

    private ModelInspection Inspect(TestModel model)
    {
        string path = folder.Combine("m.onnx");
        File.WriteAllBytes(path, OnnxWriter.ToBytes(model.Model));
        return ModelInspector.Inspect(path);
    }

    private static TestModel Net()
    {
        var model = new TestModel();
        model.Output(model.Node("Add", [model.Node("MatMul", [model.Input("x", 2, 24), model.Weight("w", 24, 64)]), model.Weight("b", 64)]));
        return model;
    }
}
