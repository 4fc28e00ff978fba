using Microsoft.ML.OnnxRuntime;
using ModelCompression.Data;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Runtime;
using ModelCompression.Tests.Passes.Quantization.Static;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>Biases behind matrix products that are computed in integers.</summary>
[TestClass]
public sealed class ProductSumsTests
{
    private static readonly CompressionOptions Static = new() { Quantization = QuantizationMode.Static, QuantizationFormat = QuantizationFormat.Qdq, TargetCpu = TargetCpu.X64Vnni };

    [TestMethod]
    [DataRow(new long[] { 5, 8 }, new long[] { 6 }, "Relu")]
    [DataRow(new long[] { 5, 8 }, new long[] { 1, 6 }, "Erf")]
    [DataRow(new long[] { 2, 5, 8 }, new long[] { 6 }, "Erf")]
    [DataRow(new long[] { 2, 3, 5, 8 }, new long[] { 6 }, "Tanh")]
    public void StaticProduct_StaysInIntegers_WithABias(long[] input, long[] bias, string next)
    {
        var test = new TestModel();
        var product = test.Node("MatMul", [test.Input("x", input), test.Weight("w", 8, 6)]);
        test.Output(test.Node(next, [test.Node("Add", [product, test.Weight("b", bias)])]));
        string name = test.Graph.Outputs[0].Name;
        var sample = new CalibrationRows(test.Model, 1).Read(0, 0);
        var before = Run(OnnxWriter.ToBytes(test.Model), sample);

        test.Run(new QuantizeStatically(CalibrationRows.For(test.Model)), Static);

        Assert.AreEqual(name, test.Graph.Outputs[0].Name);
        string[] optimized = OptimizedModel.OpTypes(test.Model, GraphOptimizationLevel.ORT_ENABLE_EXTENDED);
        CollectionAssert.DoesNotContain(optimized, "DequantizeLinear", string.Join(' ', optimized));
        Assert.AreEqual(1, optimized.Count(o => o == "MatMulIntegerToFloat"), string.Join(' ', optimized));
        var sqnr = new OutputSqnr();
        sqnr.Add(before, Run(OnnxWriter.ToBytes(test.Model), sample));
        // Rounding two factors to 8 bits leaves about 40 dB of their product.
        Assert.IsGreaterThan(30, sqnr.Db);
    }

    [TestMethod]
    public void StaticProduct_KeepsAddOfWholeTensors()
    {
        var test = new TestModel();
        var x = test.Input("x", 2, 5, 8);
        test.Output(test.Node("Erf", [test.Node("Add", [test.Node("MatMul", [x, test.Weight("w", 8, 8)]), x])]));

        test.Run(new QuantizeStatically(CalibrationRows.For(test.Model)), Static);

        CollectionAssert.Contains(test.OpTypes(), "Add");
        CollectionAssert.DoesNotContain(test.OpTypes(), "Sum");
    }

    [TestMethod]
    public void SumThatIsReturned_KeepsItsName()
    {
        var test = new TestModel();
        test.Output(test.Node("Add", [test.Weight("b", 6), test.Node("MatMul", [test.Input("x", 5, 8), test.Weight("w", 8, 6)])]));
        string name = test.Graph.Outputs[0].Name;

        test.Run(new QuantizeStatically(CalibrationRows.For(test.Model)), Static);

        Assert.AreEqual(name, test.Graph.Outputs[0].Name);
        Assert.AreEqual("Sum", test.Graph.Outputs[0].Producer!.OpType);
    }

    [TestMethod]
    [DataRow(2, "Sum"), DataRow(3, "Add")]
    public void DequantizedWeight_IsKeptFromGemm_OnlyOfMatrices(int rank, string expected)
    {
        var test = new TestModel();
        var product = test.Node("MatMul", [test.Input("x", [.. Enumerable.Repeat(2L, rank - 1), 64]), test.Weight("w", 64, 32)]);
        product.Type = new TensorType(DataType.Float, Shape.Of([.. Enumerable.Repeat(2L, rank - 1), 32]));
        test.Output(test.Node("Relu", [test.Node("Add", [product, test.Weight("b", 32)])]));

        test.Run(new QuantizeWeights(), new() { Quantization = QuantizationMode.WeightOnly, QuantizationFormat = QuantizationFormat.Qdq });

        Assert.AreEqual(1, test.OpTypes().Count(o => o == expected), string.Join(' ', test.OpTypes()));
        string[] optimized = OptimizedModel.OpTypes(test.Model, GraphOptimizationLevel.ORT_ENABLE_EXTENDED);
        CollectionAssert.DoesNotContain(optimized, "DequantizeLinear", string.Join(' ', optimized));
        CollectionAssert.Contains(optimized, "MatMulNBits");
    }

    private static IReadOnlyList<NamedValue> Run(byte[] model, Sample sample)
    {
        using var session = ModelSession.Open(model, "test.onnx", SessionSettings.Default, ModelRole.Original);
        return session.Run(sample.Inputs);
    }
}
