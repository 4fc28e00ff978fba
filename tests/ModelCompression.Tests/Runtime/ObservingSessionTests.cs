using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Runtime;

[TestClass]
public sealed class ObservingSessionTests
{
    [TestMethod]
    public void OpeningForFewRuns_DoesNotEditTheModel_WhichOthersRead()
    {
        var test = new TestModel();
        var model = test.Model;
        var seen = new List<int>();
        var weight = test.Constant("w", new Tensor(DataType.Float, [4, 4], new WatchedData(new byte[64], () => seen.Add(model.Graph.Outputs.Count))));
        var inner = test.Node("MatMul", [test.Input("x", 1, 4), weight]);
        test.Output(test.Node("Relu", [inner]));
        using var session = ObservingSession.OpenForFewRuns(model, [inner], threads: 1);
        CollectionAssert.AreEqual(new[] { inner.Name }, session.Interface.Outputs.Select(o => o.Name).Except([.. model.Graph.Outputs.Select(o => o.Name)]).ToArray());
        Assert.IsNotEmpty(seen, "the weight was not written");
        Assert.IsTrue(seen.TrueForAll(outputs => outputs == 1), "an output was added while the model was written");
    }

    private sealed class WatchedData(byte[] bytes, Action whenRead) : TensorData
    {
        public override long ByteLength => bytes.Length;

        protected override ref readonly byte First => ref bytes[0];

        public override IEnumerable<ReadOnlyMemory<byte>> Blocks()
        {
            whenRead();
            yield return bytes;
        }
    }
}
