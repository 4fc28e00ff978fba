using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;
using ModelCompression.Tests.Statistics;

namespace ModelCompression.Tests.Runtime;

[TestClass]
public sealed class RepeatedRunTests
{
    [TestMethod]
    public void ShapesThatChange_AreFollowed()
    {
        using var session = Open(SmallModel.Rectified(0.25f));
        using var run = new RepeatedRun(session);
        foreach (var (height, width) in new[] { (2, 3), (2, 3), (4, 3), (4, 3), (2, 3), (2, 3) })
        {
            var picture = Picture(height, width, height + width);
            var expected = session.Run(picture.Inputs);
            AssertEqual(expected, run.RunAndCopy(picture));
            // Another picture of the same size must not show the one before it.
            var other = Picture(height, width, 99);
            AssertEqual(session.Run(other.Inputs), run.RunAndCopy(other));
        }
    }

    [TestMethod]
    public void OutputWhoseSizeDependsOnValues_IsFollowed()
    {
        var model = SmallModel.Empty();
        var x = model.Input("x", DataType.Float, 4);
        model.Output(model.Node("NonZero", "indices", x), DataType.Int64, 1, Dimension.OfSymbol("n"));
        using var session = Open(model);
        using var run = new RepeatedRun(session);
        foreach (float[] values in new float[][] { [1, 0, 2, 0], [0, 3, 0, 4], [1, 2, 3, 4], [0, 0, 0, 5], [0, 0, 0, 0] })
        {
            var sample = new Sample([new("x", new TensorValue(Tensor.Float([4], values)))]);
            AssertEqual(session.Run(sample.Inputs), run.RunAndCopy(sample));
        }
    }

    [TestMethod]
    public void ManyRuns_LeaveNoGarbageOfTheirSize()
    {
        using var session = Open(SmallModel.Rectified(0.25f));
        using var run = new RepeatedRun(session);
        var picture = Picture(200, 200, 1);
        for (int i = 0; i < 3; i++) run.RunAndCopy(picture);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++) run.RunAndCopy(picture);
        long each = (GC.GetAllocatedBytesForCurrentThread() - before) / 20;
        Assert.IsLessThan(2048, each, $"{each} bytes for a picture of {3 * 200 * 200 * 4}");
    }

    [TestMethod]
    public void InputTheModelRefuses_IsReportedAsAnOrdinaryRunDoes()
    {
        using var session = Open(SmallModel.Linear(3, 2, 1, 2, 3, 4, 5, 6));
        using var run = new RepeatedRun(session);
        run.RunAndCopy(new([new("x", new TensorValue(Tensor.Float([1, 3], 1, 2, 3)))]));
        var error = Assert.ThrowsExactly<DiagnosticException>(() => run.RunAndCopy(new([new("x", new TensorValue(Tensor.Float([1, 4], 1, 2, 3, 4)))])));
        Assert.AreEqual("MCB2041", error.Diagnostic.Code);
        var good = new Sample([new("x", new TensorValue(Tensor.Float([1, 3], 3, 2, 1)))]);
        AssertEqual(session.Run(good.Inputs), run.RunAndCopy(good));
    }

    private static ModelSession Open(Model model) => ModelSession.Open(OnnxWriter.ToBytes(model), "model", SessionSettings.Default, ModelRole.Original);

    private static Sample Picture(int height, int width, int seed) =>
        new([new("image", new TensorValue(Tensor.Float([1, 3, height, width], RandomFloats.Make(seed, 3 * height * width))))]);

    private static void AssertEqual(IReadOnlyList<NamedValue> expected, IReadOnlyList<NamedValue> actual)
    {
        Assert.HasCount(expected.Count, actual);
        for (int i = 0; i < expected.Count; i++)
        {
            var (left, right) = (((TensorValue)expected[i].Value).Tensor, ((TensorValue)actual[i].Value).Tensor);
            Assert.AreEqual(expected[i].Name, actual[i].Name);
            Assert.IsTrue(left.Dims.SequenceEqual(right.Dims), $"{left} and {right}");
            Assert.IsTrue(left.AsSpan<byte>().SequenceEqual(right.AsSpan<byte>()));
        }
    }
}
