using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Pipeline;
using ModelCompression.Runtime;
using ModelCompression.Tests.Data;
using ModelCompression.Tests.Pipeline;

namespace ModelCompression.Tests.Runtime;

[TestClass]
public sealed class EnvironmentErrorTests
{
    /// <summary>Numbers of which no machine has memory for so many.</summary>
    private const long Count = 1L << 45;

    [TestMethod]
    public void LackOfMemory_IsFoundBehindWhateverWrapsIt()
    {
        var lack = new InsufficientMemoryException();
        foreach (var failure in new Exception[] { lack, new AggregateException(new InvalidOperationException(), lack), new DiagnosticException("MCB2001", "x", new IOException("y", lack)), new IOException("Cannot allocate memory", 12) })
            Assert.AreEqual("MCB9010", EnvironmentError.Of(failure)?.Code, failure.ToString());
    }

    [TestMethod]
    public void OtherFailures_AreNotTakenForIt()
    {
        foreach (var failure in new Exception[] { new IOException("No space left on device", 28), new AggregateException(new InvalidOperationException("bad_alloc")), new DiagnosticException("MCB2041", "Failed to allocate memory") })
            Assert.IsNull(EnvironmentError.Of(failure), failure.ToString());
    }

    [TestMethod]
    public void BufferThatOnnxRuntimeDoesNotGet_IsALackOfMemory()
    {
        using var model = Filled();
        using var session = ModelSession.Open(Onnx.Serialization.OnnxWriter.ToBytes(model), "filled", SessionSettings.Default, ModelRole.Original);

        var failure = Assert.ThrowsExactly<DiagnosticException>(() => session.Run([new NamedValue("count", new TensorValue(Tensor.Int64([1], Count))), new NamedValue("x", new TensorValue(Tensor.Float([1, 64], new float[64])))]));

        Assert.AreEqual("MCB9010", EnvironmentError.Of(failure)?.Code, failure.Message);
    }

    [TestMethod]
    public void DataThatTheOriginalLacksMemoryFor_EndsTheRunWithoutCallingItADefect()
    {
        using var fixture = new PipelineFixture();
        fixture.Source = Path.Combine(fixture.Folder, "filled.onnx");
        using (var model = Filled()) Onnx.Serialization.OnnxWriter.Write(model, fixture.Source);
        string data = ArrayFile.Npz(Path.Combine(fixture.Folder, "data.npz"), ("count", ArrayFile.Longs("1, 1", Count)), ("x", ArrayFile.Floats("1, 64", new float[64])));

        Assert.AreEqual(CompressionStatus.Failed, fixture.Run(("ValidationData", data)).Status);

        Assert.AreEqual("MCB9010", fixture.Diagnostics.Single(d => d.Severity == DiagnosticSeverity.Error).Code, string.Join('\n', fixture.Diagnostics));
    }

    /// <summary>mean(fill(count)) + x · w.</summary>
    private static Model Filled()
    {
        var model = SmallModel.Empty();
        var filled = model.Node("ConstantOfShape", "filled", model.Input("count", DataType.Int64, 1));
        var product = model.Node("MatMul", "product", model.Input("x", DataType.Float, Dimension.OfSymbol("N"), 64), model.Weight("w", Tensor.Float([64, 64], [.. Enumerable.Range(0, 64 * 64).Select(i => MathF.Sin(i))])));
        model.Output(model.Node("Add", "y", model.Node("ReduceMean", "mean", filled), product), DataType.Float, Dimension.OfSymbol("N"), 64);
        return model;
    }
}
