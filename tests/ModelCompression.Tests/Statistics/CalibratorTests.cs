using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Statistics;
using ModelCompression.Tests.Runtime;

namespace ModelCompression.Tests.Statistics;

[TestClass]
public sealed class CalibratorTests
{
    [TestMethod]
    public void Collect_InnerTensorInputAndConstant_SeesWhatTheModelComputes()
    {
        using var model = Relu(out var x, out var product, out var relu);
        var plan = new StatisticsPlan();
        var ofInput = plan.Need(x, RangeStatistic.Key, () => new RangeStatistic());
        var ofProduct = plan.Need(product, RangeStatistic.Key, () => new RangeStatistic());
        var ofRelu = plan.Need(relu, RangeStatistic.Key, () => new RangeStatistic());
        var ofWeight = plan.Need(product.Producer!.Inputs[1]!, RangeStatistic.Key, () => new RangeStatistic());
        Assert.AreSame(ofRelu, plan.Need(relu, RangeStatistic.Key, () => new RangeStatistic()));
        byte[] before = OnnxWriter.ToBytes(model);

        new Calibrator(new Rows([-1, 2], [3, -5], [0.5f, 0.25f]), 300, 2).Collect(model, plan);

        // Products: [-1,2]·[2,-3] = -8, [3,-5]·[2,-3] = 21, [0.5,0.25]·[2,-3] = 0.25.
        Assert.AreEqual((-5f, 3f), (ofInput.Min, ofInput.Max));
        Assert.AreEqual((-8f, 21f), (ofProduct.Min, ofProduct.Max));
        Assert.AreEqual((0f, 21f), (ofRelu.Min, ofRelu.Max));
        Assert.AreEqual((-3f, 2f), (ofWeight.Min, ofWeight.Max));
        Assert.AreEqual(3, ofRelu.SampleCount);
        CollectionAssert.AreEqual(before, OnnxWriter.ToBytes(model), "the model is the same afterwards");
    }

    [TestMethod]
    public void CollectInTurn_LaterPlansFeedWhatEarlierOnesFound()
    {
        using var model = Relu(out _, out var product, out var relu);
        var shift = model.Graph.AddInput("shift", new TensorType(DataType.Float, Shape.Of([1])));
        relu.Producer!.SetInput(0, model.Graph.AddNode("Add", [product, shift], ["shifted"], index: model.Graph.IndexOf(relu.Producer)).Outputs[0]!);
        var found = new List<(float Min, float Max)>();

        new Calibrator(new Rows([-1, 2], [3, -5]), 300, 2).CollectInTurn(model, [product, relu], Plans());

        // Products are -8 and 21; the lowest of one plan is what the next one adds.
        CollectionAssert.AreEqual(new[] { (0f, 21f), (0f, 13f) }, found);
        IEnumerable<StatisticsPlan> Plans()
        {
            float next = 0;
            for (int i = 0; i < 2; i++)
            {
                var plan = new StatisticsPlan { Inputs = new Dictionary<Value, Tensor> { [shift] = Tensor.Float([1], [next]) } };
                var ofProduct = plan.Need(product, RangeStatistic.Key, () => new RangeStatistic());
                var ofRelu = plan.Need(relu, RangeStatistic.Key, () => new RangeStatistic());
                yield return plan;
                found.Add((ofRelu.Min, ofRelu.Max));
                next = ofProduct.Min;
            }
        }
    }

    [TestMethod]
    public void Collect_AnyNumberOfThreads_GivesTheSameBits()
    {
        using var model = Relu(out _, out var product, out var relu);
        var samples = new Rows([.. Enumerable.Range(0, 50).Select(i => RandomFloats.Make(i, 2 * (1 + (i % 7)), 1 + i))]);

        var results = new[] { 1, 2, 5 }.Select(threads =>
        {
            var plan = new StatisticsPlan();
            var channels = plan.Need(product, ChannelStatistic.Key(-1), () => new ChannelStatistic(-1));
            var gram = plan.Need(product, "gram", () => new GramStatistic(TensorRows.Along(-1)));
            var histogram = plan.Need(relu, HistogramStatistic.Key, () => new HistogramStatistic());
            var cross = plan.Need(product, relu, new CrossStatistic(TensorRows.Along(-1), TensorRows.Along(-1)));
            new Calibrator(samples, 40, threads).Collect(model, plan);
            Assert.AreEqual(40, channels.SampleCount, "CalibrationSamples limits them");
            return $"{channels.Mean(0):R} {channels.MeanSquare(0):R} {gram.Matrix(0)[0]:R} {cross.Matrix[0]:R} {string.Join(',', histogram.Counts.ToArray())}";
        }).ToList();

        Assert.AreEqual(results[0], results[1]);
        Assert.AreEqual(results[0], results[2]);
    }

    /// <summary>Samples behind the last that is needed may be under way already, and may fail.</summary>
    [TestMethod]
    public void Collect_WhatIsSeenIsEnough_LeavesOutOtherSamples()
    {
        using var model = Relu(out _, out var product, out _);
        var samples = new Rows([.. Enumerable.Range(0, 50).Select(i => RandomFloats.Make(i, 2, 1 + i))]) { WrongWidthFrom = 7 };

        foreach (int threads in new[] { 1, 2, 5 })
        {
            ChannelStatistic channels = null!;
            var plan = new StatisticsPlan { IsEnough = () => channels.SampleCount == 7 };
            channels = plan.Need(product, ChannelStatistic.Key(-1), () => new ChannelStatistic(-1));
            new Calibrator(samples, 40, threads).Collect(model, plan);
            Assert.AreEqual(7, channels.SampleCount);
            Assert.AreEqual(7, channels.Count);
        }
    }

    [TestMethod]
    public void Collect_SampleTheModelRefuses_NamesTheFirstOne()
    {
        using var model = Relu(out _, out var product, out _);
        var plan = new StatisticsPlan();
        plan.Need(product, RangeStatistic.Key, () => new RangeStatistic());
        var samples = new Rows([1, 2], [3, 4], [5, 6], [1, 2]) { WrongWidthFrom = 2 };

        for (int threads = 1; threads <= 3; threads++)
        {
            var error = Assert.ThrowsExactly<DiagnosticException>(() => new Calibrator(samples, 300, threads).Collect(model, plan));
            Assert.AreEqual("MCB2041", error.Diagnostic.Code);
            StringAssert.StartsWith(error.Diagnostic.Message, "Calibration sample 2: ");
        }
    }

    [TestMethod]
    public void Collect_Cancelled_Throws()
    {
        using var model = Relu(out _, out var product, out _);
        var plan = new StatisticsPlan();
        plan.Need(product, RangeStatistic.Key, () => new RangeStatistic());

        Assert.ThrowsExactly<OperationCanceledException>(() => new Calibrator(new Rows([1, 2]), 300, 2).Collect(model, plan, new CancellationToken(true)));
    }

    [TestMethod]
    public void Collect_TensorInABranch_IsNotObserved()
    {
        var model = SmallModel.Empty();
        var c = model.Input("c", DataType.Float, 2);
        var condition = model.Node("Cast", "b", model.Node("ReduceMax", "m", c));
        condition.Producer!.SetAttribute(NodeAttribute.Of("to", (long)DataType.Bool));
        condition.Producer.Inputs[0]!.Producer!.SetAttribute(NodeAttribute.Of("keepdims", 0L));
        OnnxGraph Branch(string op)
        {
            var graph = new OnnxGraph(op, model.Graph);
            graph.AddOutput(graph.AddNode(op, [c], [op + "_y"]).Outputs[0]!);
            return graph;
        }

        var then = Branch("Neg");
        var y = model.Graph.AddNode("If", [condition], ["y"], [NodeAttribute.Of("then_branch", then), NodeAttribute.Of("else_branch", Branch("Exp"))]).Outputs[0]!;
        model.Output(y, DataType.Float, 2);
        var plan = new StatisticsPlan();
        var inner = plan.Need(then.Outputs[0], RangeStatistic.Key, () => new RangeStatistic());
        var outer = plan.Need(y, RangeStatistic.Key, () => new RangeStatistic());

        new Calibrator(new Rows([1, 2]) { Name = "c", IsFlat = true }, 300, 1).Collect(model, plan);

        Assert.AreEqual(0, inner.SampleCount);
        Assert.AreEqual((-2f, -1f), (outer.Min, outer.Max));
    }

    private static Model Relu(out Value x, out Value product, out Value relu)
    {
        var model = SmallModel.Empty();
        x = model.Input("x", DataType.Float, Dimension.OfSymbol("N"), 2);
        product = model.Node("MatMul", "p", x, model.Weight("w", Tensor.Float([2, 1], 2, -3)));
        relu = model.Node("Relu", "r", product);
        model.Output(model.Node("Sqrt", "y", relu), DataType.Float, Dimension.OfSymbol("N"), 1);
        return model;
    }

    private sealed class Rows(params float[][] samples) : SampleSource
    {
        public string Name { get; init; } = "x";

        public bool IsFlat { get; init; }

        public int WrongWidthFrom { get; init; } = int.MaxValue;

        public override SampleOrigin Origin => SampleOrigin.Calibration;

        public override int Count => samples.Length;

        public override Sample Read(int attempt, int index)
        {
            float[] elements = samples[index];
            long[] dims = IsFlat ? [elements.Length] : index >= WrongWidthFrom ? [elements.Length, 1] : [elements.Length / 2, 2];
            return new Sample([new NamedValue(Name, new TensorValue(Tensor.Float(dims, elements)))]);
        }
    }
}
