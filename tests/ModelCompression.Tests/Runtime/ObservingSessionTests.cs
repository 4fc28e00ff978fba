using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Statistics;
using ModelCompression.Tests.Passes.Simplification;
using ModelCompression.Tests.Statistics;

namespace ModelCompression.Tests.Runtime;

/// <summary>Observing runs go on in the background while the model they observe is read.</summary>
[TestClass]
public sealed class ObservingSessionTests
{
    [TestMethod]
    [DataRow(true), DataRow(false)]
    public void Opening_DoesNotEditTheModel_WhichOthersRead(bool forFewRuns)
    {
        var test = new TestModel();
        var model = test.Model;
        var watch = new Watch(model);
        var inner = test.Node("MatMul", [test.Input("x", 1, 4), test.Constant("w", watch.Over(Tensor.Float([4, 4], new float[16])))]);
        test.Output(test.Node("Relu", [inner]));
        watch.Start();
        using var session = forFewRuns ? ObservingSession.OpenForFewRuns(model, [inner], threads: 1) : ObservingSession.Open(model, [inner], SessionSettings.Default);
        CollectionAssert.AreEqual(new[] { inner.Name }, session.Interface.Outputs.Select(o => o.Name).Except([.. model.Graph.Outputs.Select(o => o.Name)]).ToArray());
        watch.AssertUnedited(leastLooks: 1);
    }

    /// <summary>The weight is read whenever a session is opened: for whole tensors, and for reduced ones where samples are left for them.</summary>
    [TestMethod]
    [DataRow(2, 1), DataRow(8, 2)]
    public void Collecting_DoesNotEditTheModel_WhichOthersRead(int samples, int sessions)
    {
        using var model = PictureNet.Make(8, 1);
        var watch = new Watch(model);
        var weight = model.Graph.Initializers.First(i => i.Name == "wconv");
        model.Graph.SetInitializer(weight, watch.Over(weight.Initializer!));
        var plan = new StatisticsPlan();
        var ranges = PictureNet.Tensors(model).Select(t => plan.Need(t, RangeStatistic.Key, () => new RangeStatistic())).ToArray();
        watch.Start();
        new Calibrator(new Pictures(samples, watch), 300, 1) { AlwaysReduces = true }.Collect(model, plan);
        Assert.IsTrue(Array.TrueForAll(ranges, r => r.SampleCount == samples));
        watch.AssertUnedited(leastLooks: sessions + samples);
    }

    [TestMethod]
    public void CollectingInTurn_DoesNotEditTheModel_WhichOthersRead()
    {
        using var model = PictureNet.Make(8, 1);
        var watch = new Watch(model);
        var weight = model.Graph.Initializers.First(i => i.Name == "wconv");
        model.Graph.SetInitializer(weight, watch.Over(weight.Initializer!));
        var plan = new StatisticsPlan();
        var tensors = PictureNet.Tensors(model);
        var range = plan.Need(tensors[0], RangeStatistic.Key, () => new RangeStatistic());
        watch.Start();
        new Calibrator(new Pictures(2, watch), 300, 1).CollectInTurn(model, tensors, [plan]);
        Assert.AreEqual(2, range.SampleCount);
        watch.AssertUnedited(leastLooks: 3);
    }

    /// <summary>Looks at a model whenever one of its weights or a sample is read.</summary>
    private sealed class Watch(Model model)
    {
        private readonly List<byte[]> seen = [];
        private byte[]? before;
        private bool isLooking;

        public Tensor Over(Tensor tensor) => new(tensor.DataType, tensor.Dims, new WatchedData(tensor.Data.Blocks().Single().ToArray(), Look));

        public void Start() => before = OnnxWriter.ToBytes(model);

        public void Look()
        {
            // Looking reads the weights, too.
            if (before is null || isLooking) return;
            isLooking = true;
            seen.Add(OnnxWriter.ToBytes(model));
            isLooking = false;
        }

        public void AssertUnedited(int leastLooks)
        {
            Assert.IsGreaterThanOrEqualTo(leastLooks, seen.Count);
            foreach (byte[] then in seen) CollectionAssert.AreEqual(before, then, "the model was edited meanwhile");
        }
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

    private sealed class Pictures(int count, Watch watch) : SampleSource
    {
        public override SampleOrigin Origin => SampleOrigin.Calibration;

        public override int Count => count;

        public override Sample Read(int attempt, int index)
        {
            watch.Look();
            return new([new NamedValue("x", new TensorValue(Tensor.Float([1, 3, 9, 9], RandomFloats.Make(index, 3 * 9 * 9))))]);
        }
    }
}
