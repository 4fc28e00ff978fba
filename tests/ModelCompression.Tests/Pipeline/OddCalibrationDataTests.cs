using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Pipeline;
using ModelCompression.Tests.Data;

namespace ModelCompression.Tests.Pipeline;

/// <summary>Calibration data with values that are not finite.</summary>
[TestClass]
public sealed class OddCalibrationDataTests
{
    private const int Samples = 20, Width = 16;

    [TestMethod]
    [DataRow(float.NaN, "Wanda")]
    [DataRow(float.PositiveInfinity, "Wanda")]
    [DataRow(float.NaN, "Magnitude")]
    public void ValuesThatSpread_AreAnErrorThatNamesTheSample(float value, string criterion)
    {
        using var fixture = new PipelineFixture();

        // Magnitude needs no data, but the refit behind removed channels does.
        Assert.AreEqual(CompressionStatus.Failed, Run(fixture, "x", value, criterion));
        var error = fixture.Diagnostics.Single(d => d.Severity == DiagnosticSeverity.Error);
        Assert.AreEqual("MCB3022", error.Code);
        StringAssert.StartsWith(error.Message, "Calibration sample 7 has NaN or an infinity in input 'x'");
    }

    [TestMethod]
    public void InfinityInAMask_IsFine()
    {
        using var fixture = new PipelineFixture();

        Assert.AreEqual(CompressionStatus.Compressed, Run(fixture, "mask", float.NegativeInfinity, "Wanda"));
        Assert.AreEqual("MCB3013", fixture.Diagnostics.Single(d => d.Severity == DiagnosticSeverity.Warning && d.Code != "MCB4045").Code);
    }

    /// <summary>softmax(x + mask) · a, ReLU, · b, with one odd value in sample 7 of an input.</summary>
    private static CompressionStatus Run(PipelineFixture fixture, string input, float value, string criterion)
    {
        var random = new Random(3);
        float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() - 0.5))];
        using var model = new Model(new OnnxGraph("masked")) { IrVersion = 8 };
        model.OpsetImports[""] = 13;
        var graph = model.Graph;
        var rows = new TensorType(DataType.Float, new Shape(Dimension.OfSymbol("N"), Dimension.Of(Width)));
        var sum = graph.AddNode("Add", [graph.AddInput("x", rows), graph.AddInput("mask", rows)], ["sum"]).Outputs[0]!;
        var soft = graph.AddNode("Softmax", [sum], ["soft"]).Outputs[0]!;
        var hidden = graph.AddNode("Relu", [graph.AddNode("MatMul", [soft, graph.AddInitializer("a", Tensor.Float([Width, 64], Values(Width * 64)))], ["h"]).Outputs[0]!], ["r"]).Outputs[0]!;
        var y = graph.AddNode("MatMul", [hidden, graph.AddInitializer("b", Tensor.Float([64, 3], Values(64 * 3)))], ["y"]).Outputs[0]!;
        y.Type = new TensorType(DataType.Float, new Shape(Dimension.OfSymbol("N"), Dimension.Of(3)));
        graph.AddOutput(y);
        fixture.Source = Path.Combine(fixture.Folder, "masked.onnx");
        OnnxWriter.Write(model, fixture.Source);
        var arrays = new Dictionary<string, float[]> { ["x"] = Values(Samples * Width), ["mask"] = new float[Samples * Width] };
        arrays[input][(7 * Width) + 2] = value;
        string data = ArrayFile.Npz(Path.Combine(fixture.Folder, "data.npz"), [.. arrays.Select(a => (a.Key, ArrayFile.Floats($"{Samples}, {Width}", a.Value)))]);
        return fixture.Run(("Pruning", criterion), ("PruningPattern", "Channel"), ("Sparsity", "0.5"), ("Compensation", "LeastSquares"), ("CalibrationData", data), ("Quantization", "None")).Status;
    }
}
