using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Fidelity;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Runtime;

[TestClass]
public sealed class SyntheticInputsTests
{
    private static readonly Dimension N = Dimension.OfSymbol("N"), S = Dimension.OfSymbol("S");

    [TestMethod]
    public void Read_SameArguments_SameValues_OtherSeedOthers()
    {
        using var model = SmallModel.Linear(3, 2, 1, 2, 3, 4, 5, 6);
        var inputs = SyntheticInputs.For(model, seed: 7);
        float[] first = Floats(inputs.Read(0, 0), 0);
        CollectionAssert.AreEqual(first, Floats(SyntheticInputs.For(model, seed: 7).Read(0, 0), 0));
        CollectionAssert.AreNotEqual(first, Floats(inputs.Read(0, 1), 0));
        CollectionAssert.AreNotEqual(first, Floats(SyntheticInputs.For(model, seed: 8).Read(0, 0), 0));
        Assert.AreEqual(SampleOrigin.Synthetic, inputs.Origin);
    }

    [TestMethod]
    public void Read_Indices_StayBelowTheirTable()
    {
        using var model = SmallModel.Empty();
        var ids = model.Input("ids", DataType.Int64, N, S);
        var cast = model.Node("Cast", "cast", ids);
        cast.Producer!.SetAttribute(NodeAttribute.Of("to", (long)DataType.Int32));
        model.Node("Gather", "small", model.Weight("table5", Tensor.Float([5, 2], new float[10])), cast);
        model.Output(model.Node("Gather", "y", model.Weight("table9", Tensor.Float([9, 2], new float[18])), ids), DataType.Float, N, S, 2);
        var sample = SyntheticInputs.For(model).Read(0, 0);
        long[] values = Longs(sample, 0);
        Assert.HasCount(16, values);
        Assert.IsTrue(values.All(v => v is >= 0 and < 5), string.Join(',', values));
        Assert.IsGreaterThan(2, values.Distinct().Count());
    }

    [TestMethod]
    public void Read_PositionsWithOffset_StayBelowTheTable()
    {
        using var model = SmallModel.Empty();
        var ids = model.Input("index", DataType.Int64, N, S);
        var shifted = model.Node("Add", "shifted", ids, model.Weight("two", Tensor.Int64([], 2)));
        model.Output(model.Node("Gather", "y", model.Weight("table", Tensor.Float([6, 1], new float[6])), shifted), DataType.Float, N, S, 1);
        Assert.IsTrue(Longs(SyntheticInputs.For(model).Read(0, 0), 0).All(v => v is >= 0 and < 4));
    }

    /// <summary>Reading its weights takes most of a huge model's run, so that two samples go through it together where they may.</summary>
    [TestMethod]
    public void Longer_HugeModel_HasItsSamplesInOneBatch()
    {
        using var model = SmallModel.Empty();
        model.Input("x", DataType.Float, N, S, 3);
        model.Input("position_ids", DataType.Int64, N, S);
        var one = SyntheticInputs.Longer(model, seed: 3, isHuge: true);
        Assert.AreEqual(1, one.Count);
        var sample = one.Read(0, 0);
        CollectionAssert.AreEqual(new long[] { 2, 32, 3 }, TensorOf(sample, 0).Dims.ToArray());
        CollectionAssert.AreEqual(Enumerable.Range(0, 64).Select(i => i % 32L).ToArray(), Longs(sample, 1));
        // A model that does not take a batch gets one sample after all.
        CollectionAssert.AreEqual(new long[] { 1, 32, 3 }, TensorOf(one.Read(1, 0), 0).Dims.ToArray());
        Assert.AreEqual(4, SyntheticInputs.Longer(model, seed: 3, isHuge: false).Count);

        using var single = SmallModel.Empty();
        single.Input("x", DataType.Float, Dimension.Of(1), S, 3);
        var two = SyntheticInputs.Longer(single, seed: 3, isHuge: true);
        Assert.AreEqual(2, two.Count);
        CollectionAssert.AreEqual(new long[] { 1, 32, 3 }, TensorOf(two.Read(0, 0), 0).Dims.ToArray());
    }

    [TestMethod]
    public void Read_NamesAreUnderstood()
    {
        using var model = SmallModel.Empty();
        model.Input("input_ids", DataType.Int64, N, S);
        model.Input("attentionMask", DataType.Int64, N, S);
        model.Input("token_type_ids", DataType.Int64, N, S);
        model.Input("sr", DataType.Int64);
        model.Input("position_ids", DataType.Int64, N, S);
        model.Input("lengths", DataType.Int64, N);
        var sample = SyntheticInputs.For(model).Read(0, 0);
        Assert.IsTrue(Longs(sample, 1).All(v => v == 1));
        Assert.IsTrue(Longs(sample, 2).All(v => v == 0));
        Assert.AreEqual(16000, Longs(sample, 3).Single());
        CollectionAssert.AreEqual(Enumerable.Range(0, 16).Select(i => (long)i).ToArray(), Longs(sample, 4));
        Assert.AreEqual(16, Longs(sample, 5).Single());
    }

    [TestMethod]
    public void Read_StatesTakeTheSizesThatOtherInputsGiveTheirSymbols()
    {
        using var model = SmallModel.Empty();
        model.Output(model.Node("Add", "y", model.Input("a", DataType.Float, N, S, 8), model.Input("c", DataType.Float, N, S, 8)), DataType.Float, N, S, 8);
        model.Input("h", DataType.Float, Dimension.OfSymbol("own"), S);
        var shapes = SyntheticInputs.For(model).Read(0, 0).Inputs.ToDictionary(i => i.Name, i => ((TensorValue)i.Value).Tensor.Dims.ToArray());
        Assert.IsGreaterThan(1, shapes["a"][1]);
        CollectionAssert.AreEqual(shapes["a"], shapes["c"]);
        CollectionAssert.AreEqual(new[] { 1, shapes["a"][1] }, shapes["h"]);
    }

    [TestMethod]
    public void Read_OpenSizes_ComeFromSymbolsAndWeights()
    {
        using var model = SmallModel.Empty();
        var picture = model.Input("picture", DataType.Float, Dimension.Unknown, Dimension.Unknown, Dimension.OfSymbol("height"), Dimension.OfSymbol("width"));
        model.Node("Conv", "c", picture, model.Weight("w", Tensor.Float([2, 4, 3, 3], new float[72])));
        var nhwc = model.Input("nhwc", DataType.Float, N, Dimension.Unknown, Dimension.Unknown, Dimension.Unknown);
        var nchw = model.Node("Transpose", "t", nhwc);
        nchw.Producer!.SetAttribute(NodeAttribute.Of("perm", 0, 3, 1, 2));
        model.Node("Conv", "d", nchw, model.Weight("v", Tensor.Float([2, 5, 1, 1], new float[10])));
        model.Input("mask", DataType.Float, N, Dimension.OfSymbol("S + 1"));
        model.Input("past_key", DataType.Float, N, 2, Dimension.OfSymbol("past"), 8);
        var sample = SyntheticInputs.For(model).Read(0, 0);
        CollectionAssert.AreEqual(new long[] { 1, 4, 64, 64 }, TensorOf(sample, 0).Dims.ToArray());
        Assert.AreEqual(5, TensorOf(sample, 1).Dims[3]);
        CollectionAssert.AreEqual(new long[] { 1, 17 }, TensorOf(sample, 2).Dims.ToArray());
        CollectionAssert.AreEqual(new long[] { 1, 2, 1, 8 }, TensorOf(sample, 3).Dims.ToArray());
    }

    [TestMethod]
    public void Read_Pictures_AreSmoothWithinZeroAndOne()
    {
        using var model = SmallModel.Empty();
        model.Input("image", DataType.Float, 1, 3, 64, 64);
        float[] pixels = Floats(SyntheticInputs.For(model).Read(0, 0), 0);
        Assert.IsTrue(pixels.All(p => p is >= 0 and <= 1));
        double step = Enumerable.Range(0, 63).Average(i => Math.Abs(pixels[i + 1] - pixels[i]));
        Assert.IsLessThan(0.15, step); // independent uniforms would differ by 1/3 on average
        Assert.IsGreaterThan(0.3, pixels.Max() - pixels.Min());
    }

    [TestMethod]
    public void Read_OtherTypes()
    {
        using var model = SmallModel.Empty();
        model.Input("half", DataType.Float16, 2, 3);
        model.Input("flag", DataType.Bool, 1);
        model.Input("text", DataType.String, N, 2);
        model.Graph.AddInput("list", new SequenceType(new TensorType(DataType.Float, Shape.Of(2, 2))));
        var sample = SyntheticInputs.For(model).Read(0, 0);
        Assert.AreEqual(DataType.Float16, TensorOf(sample, 0).DataType);
        Assert.AreEqual(0, TensorOf(sample, 1).AsSpan<byte>()[0]);
        Assert.HasCount(2, TensorOf(sample, 2).Strings!);
        Assert.HasCount(1, ((SequenceValue)sample.Inputs[3].Value).Elements);
    }

    [TestMethod]
    public void For_WhatCannotBeMadeUp_SaysSo()
    {
        using var map = SmallModel.Empty();
        map.Graph.AddInput("table", new MapType(DataType.Int64, new TensorType(DataType.Float, null)));
        StringAssert.Contains(SyntheticInputs.For(map).Refusal, "'table'");
        using var huge = SmallModel.Empty();
        huge.Input("x", DataType.Float, 1L << 40, 1L << 40);
        StringAssert.Contains(SyntheticInputs.For(huge).Refusal, "too large");
    }

    [TestMethod]
    [DataRow("Div", 127.5f, 255f)]
    [DataRow("Mul", 1 / 255f, 255f)]
    [DataRow("Sub", 123.7f, 255f)]
    [DataRow("Div", 0.229f, 1f)]
    [DataRow("Sub", 0.485f, 1f)]
    [DataRow("Mul", 2f, 1f)]
    public void Read_Picture_HasTheRangeThatTheModelScales(string opType, float constant, float maximum)
    {
        using var model = SmallModel.Empty();
        var x = model.Input("x", DataType.Float, 1, 3, 16, 16);
        model.Output(model.Node(opType, "y", x, model.Weight("c", Tensor.Float([], constant))), DataType.Float, 1, 3, 16, 16);

        float[] pixels = Floats(SyntheticInputs.For(model).Read(0, 0), 0);

        Assert.IsGreaterThan(maximum / 2, pixels.Max());
        Assert.IsLessThanOrEqualTo(maximum, pixels.Max());
    }

    /// <summary>Every published model of the zoo runs on made-up inputs, whatever its open sizes and integer inputs.</summary>
    [TestMethod]
    public void EveryPublishedModel_Runs()
    {
        foreach (string path in ModelZoo.Models())
        {
            using var model = OnnxReader.Read(path);
            var run = FidelityCheck.Start(path, model, SyntheticInputs.For(model), maxSamples: 1).Original;
            Assert.AreEqual(OriginalStatus.Ran, run.Status, $"{path}: {run.Reason} {run.Problem}");
        }
    }

    private static Tensor TensorOf(Sample sample, int input) => ((TensorValue)sample.Inputs[input].Value).Tensor;

    private static float[] Floats(Sample sample, int input) => TensorOf(sample, input).AsSpan<float>().ToArray();

    private static long[] Longs(Sample sample, int input) => TensorOf(sample, input).AsSpan<long>().ToArray();
}
