using Microsoft.ML.OnnxRuntime;
using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Runtime;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.Static;

[TestClass]
public sealed class QuantizeStaticallyTests
{
    private static readonly CompressionOptions Options = new() { Quantization = QuantizationMode.Static, QuantizationFormat = QuantizationFormat.Qdq, TargetCpu = TargetCpu.X64Vnni };

    [TestMethod]
    public void Product_RunsAsPlannedInIntegers()
    {
        // y = relu(x·w), quantized by hand below: x and y to uint8 by their ranges, w to int8 per column.
        var test = new TestModel();
        var x = test.Input("x", 5, 8);
        var w = test.Weight("w", 8, 6);
        test.Output(test.Node("Softplus", [test.Node("MatMul", [x, w])]));
        float[] weights = Floats(w);
        var samples = new CalibrationRows(test.Model, 16);

        var log = Quantize(test);

        var input = samples.Read(0, 3);
        float[] elements = ((TensorValue)input.Inputs[0].Value).Tensor.AsSpan<float>().ToArray();
        float[] actual = Run(test.Model, input);
        float[] all = [.. Enumerable.Range(0, 16).SelectMany(i => ((TensorValue)samples.Read(0, i).Inputs[0].Value).Tensor.AsSpan<float>().ToArray())];
        (float min, float max) = (Math.Min(0, all.Min()), Math.Max(0, all.Max()));
        float scale = (float)(((double)max - min) / 255);
        double zero = Math.Round(-min / (((double)max - min) / 255));
        for (int r = 0; r < 5; r++)
            for (int c = 0; c < 6; c++)
            {
                float column = (float)(Enumerable.Range(0, 8).Max(k => Math.Abs((double)weights[(k * 6) + c])) / 127);
                double sum = 0;
                for (int k = 0; k < 8; k++)
                    sum += (Math.Clamp(Math.Round(elements[(r * 8) + k] / scale) + zero, 0, 255) - zero) * Math.Round(weights[(k * 6) + c] / column);
                // Integer sums are exact; two scales and Softplus are rounded.
                double expected = Math.Log(1 + Math.Exp(sum * scale * column));
                Assert.AreEqual(expected, actual[(r * 6) + c], 8 * Math.Pow(2, -24) * Math.Max(1, Math.Abs(sum * scale * column)));
            }

        Assert.IsTrue(log.Layers.Single().Action.StartsWith("static int8 per channel", StringComparison.Ordinal));
    }

    [TestMethod]
    public void ConvChain_BecomesIntegerOperators_WithExplicitZeroPointsAndAxis()
    {
        var test = Chain();

        Quantize(test);

        foreach (var node in test.Graph.Nodes.Where(n => n.OpType is "QuantizeLinear" or "DequantizeLinear"))
        {
            Assert.AreEqual(3, node.Inputs.Count, node.DisplayName);
            Assert.IsTrue(node.Inputs[1]!.TryGetConstant(out var scale) && node.Inputs[2]!.TryGetConstant(out _));
            Assert.AreEqual(scale!.Rank == 1, node.TryGetAttribute("axis", out _), node.DisplayName);
            // Scales per channel make conversions of activations some hundred times slower.
            Assert.IsTrue(scale.Rank == 0 || node.Inputs[0]!.TryGetConstant(out _), node.DisplayName);
        }

        Assert.IsFalse(test.OpTypes().Contains("Relu"), "its bound is that of the codes");
        string[] optimized = OptimizedModel.OpTypes(test.Model, GraphOptimizationLevel.ORT_ENABLE_EXTENDED);
        CollectionAssert.DoesNotContain(optimized, "Conv");
        Assert.AreEqual(3, optimized.Count(o => o == "QLinearConv"), string.Join(' ', optimized));
        Assert.AreEqual(1, optimized.Count(o => o == "QLinearAdd"), string.Join(' ', optimized));
    }

    [TestMethod]
    public void ConvChain_StaysCloseToTheOriginal()
    {
        var test = Chain();
        byte[] before = OnnxWriter.ToBytes(test.Model);
        var samples = new CalibrationRows(test.Model, 16);
        using var reference = Open(before);

        Quantize(test);

        var sqnr = new OutputSqnr();
        for (int i = 0; i < 16; i++) sqnr.Add(reference.Run(samples.Read(0, i).Inputs), RunAll(test.Model, samples.Read(0, i)));

        // Seven roundings to 8 bits of ranges that reach about five standard deviations: step²/12 each, about 28 dB together.
        Assert.IsGreaterThan(26, sqnr.Db);
    }

    [TestMethod]
    public void Outputs_KeepTheirNames()
    {
        var test = new TestModel();
        test.Output(test.Node("Conv", [test.Input("x", 1, 2, 4, 4), test.Weight("w", 3, 2, 1, 1)]));
        string name = test.Graph.Outputs[0].Name;

        Quantize(test, Options with { QuantizationFormat = QuantizationFormat.Qdq });

        Assert.AreEqual(name, test.Graph.Outputs[0].Name);
        var factors = test.Graph.Outputs[0].Producer!;
        Assert.AreEqual("Mul", factors.OpType, "channels have scales of their own where floats follow");
        Assert.AreEqual("DequantizeLinear", factors.Inputs[0]!.Producer!.OpType);
    }

    [TestMethod]
    [DataRow(0f, 6f, false), DataRow(-0.5f, 0.5f, true)]
    public void Clip_DisappearsOnlyWhereTheCodesHaveItsBounds(float min, float max, bool stays)
    {
        var test = new TestModel();
        var conv = test.Node("Conv", [test.Input("x", 1, 2, 6, 6), test.Weight("w", 3, 2, 3, 3)]);
        var clip = test.Node("Clip", [conv, test.Constant("lo", Tensor.Float([], min)), test.Constant("hi", Tensor.Float([], max))]);
        test.Output(test.Node("Conv", [clip, test.Weight("w2", 3, 3, 1, 1)]));
        byte[] before = OnnxWriter.ToBytes(test.Model);
        var samples = new CalibrationRows(test.Model, 16);
        using var reference = Open(before);

        Quantize(test, Options with { QuantizationFormat = QuantizationFormat.Qdq });

        Assert.AreEqual(stays, test.OpTypes().Contains("Clip"));
        float[] expected = First(reference.Run(samples.Read(0, 0).Inputs)), actual = Run(test.Model, samples.Read(0, 0));
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], 0.1 * expected.Max(Math.Abs));
    }

    [TestMethod]
    public void HugeBias_RaisesTheScaleOfItsChannel()
    {
        var test = new TestModel();
        var w = test.Constant("w", Tensor.Float([2, 1, 1, 1], 1e-6f, 1f));
        var b = test.Constant("b", Tensor.Float([2], 5000f, 1f));
        test.Output(test.Node("Conv", [test.Input("x", 1, 1, 4, 4), w, b]));

        Quantize(test, Options with { QuantizationFormat = QuantizationFormat.Qdq });

        var bias = test.Graph.Nodes.Single(n => n.OpType == "Conv").Inputs[2]!.Producer!;
        bias.Inputs[0]!.TryGetConstant(out var codes);
        Assert.AreEqual(DataType.Int32, codes!.DataType);
        Assert.IsLessThan(int.MaxValue, Math.Abs((long)codes.AsSpan<int>()[0]));
        float[] actual = Run(test.Model, new CalibrationRows(test.Model, 1).Read(0, 0));
        // One scale per channel: half a step of 5000/255·1.3 at most, widened range included.
        for (int i = 0; i < 16; i++) Assert.AreEqual(5000, actual[i], 5000 / 255.0 * 1.3);
    }

    [TestMethod]
    public void Refusals_SayWhy()
    {
        var test = new TestModel();
        var x = test.Input("x", 1, 2, 4, 4);
        var conv = test.Node("Conv", [x, test.Weight("w", 3, 2, 1, 1)]);
        var nan = test.Node("Log", [conv]);
        test.Output(test.Node("Conv", [nan, test.Weight("w2", 3, 3, 1, 1)]), test.Node("Conv", [x, test.Node("Mul", [x, x])]));
        test.Graph.TrimOutputs(1);

        var log = Quantize(test);

        Assert.IsTrue(log.Edits.Any(e => !e.Applied && e.Reason.EndsWith("has NaN or infinite elements", StringComparison.Ordinal)), string.Join('\n', log.Edits));
        Assert.IsTrue(log.Edits.Any(e => !e.Applied && e.Reason == "its weights are not constant"), string.Join('\n', log.Edits));
    }

    [TestMethod]
    public void WeightsThatNoIntegerStandsFor_StayFloat_WithReasons()
    {
        var test = new TestModel();
        var x = test.Input("x", 2, 3);
        var nan = test.Constant("nan", Tensor.Float([3, 2], 1, 2, float.NaN, 4, 5, 6));
        var infinite = test.Constant("infinite", Tensor.Float([2], 1, float.PositiveInfinity));
        var empty = test.Constant("empty", Tensor.Float([3, 0]));
        test.Output(test.Node("MatMul", [x, nan]), test.Node("Gemm", [x, test.Weight("w", 3, 2), infinite]), test.Node("MatMul", [x, empty]), test.Node("MatMul", [x, test.Weight("fine", 3, 2)]));

        var log = Quantize(test);

        string all = string.Join('\n', log.Edits);
        Assert.AreEqual("not static: its weights have NaN or infinite elements", log.Layers.Single(l => l.Weight == "nan").Reason, all);
        Assert.AreEqual("not static: its bias has NaN or infinite elements", log.Layers.Single(l => l.Weight == "w").Reason, all);
        Assert.AreEqual("not static: its weights are empty", log.Layers.Single(l => l.Weight == "empty").Reason, all);
        Assert.IsTrue(log.Layers.Single(l => l.Weight == "fine") is { Bits: 8, Reason: "" }, all);
        Assert.AreEqual(1, test.Graph.Nodes.Count(n => n.OpType == "QuantizeLinear"));
    }

    [TestMethod]
    public void NothingToQuantize_IsSaid_BesideTheWeightsToo()
    {
        var test = new TestModel();
        test.Output(test.Node("MatMul", [test.Weight("left", 6, 8), test.Input("x", 8, 4)]), test.Node("Einsum", [test.Input("z", 4, 8), test.Weight("e", 8, 6)], NodeAttribute.Of("equation", "bi,io->bo")));

        var log = Quantize(test);

        Assert.IsFalse(test.Graph.Nodes.Any(n => n.OpType == "QuantizeLinear"));
        var note = log.Diagnostics.Single();
        Assert.AreEqual("MCB4048", note.Code);
        Assert.DoesNotContain("QuantizationFormat=QDQ", note.Message, "It is what was asked for.");
        Assert.IsTrue(log.Edits.Any(e => e is { Applied: false, Reason: "its weights are the left operand" }), string.Join('\n', log.Edits));
        Assert.AreEqual("not static: ONNX Runtime has no static integer kernel for Einsum", log.Layers.Single(l => l.Weight == "e").Reason);
    }

    [TestMethod]
    public void WeightReadTransposed_ByTwoProducts_IsStoredInFewBits()
    {
        var test = new TestModel();
        var w = test.Weight("w", 48, 32);
        var transposed = test.Node("Transpose", [w]);
        var x = test.Input("x", 4, 32);
        test.Output(test.Node("MatMul", [x, transposed]), test.Node("MatMul", [test.Node("Relu", [x]), transposed]), test.Node("Gemm", [x, w], NodeAttribute.Of("transB", 1)));

        Quantize(test);
        var log = test.Run(new QuantizeWeights(), Options);

        Assert.AreEqual(8, log.Layers.Single().Bits, log.Layers.Single().Reason);
    }

    [TestMethod]
    [DataRow("Relu"), DataRow("Softplus"), DataRow("Erf")]
    public void Gemm_StaysIntegerWhateverFollows(string next)
    {
        var test = new TestModel();
        test.Output(test.Node(next, [test.Node("Gemm", [test.Input("x", 5, 8), test.Weight("w", 8, 6), test.Weight("b", 6)])]));

        Quantize(test);

        string[] optimized = OptimizedModel.OpTypes(test.Model, GraphOptimizationLevel.ORT_ENABLE_EXTENDED);
        Assert.AreEqual(1, optimized.Count(o => o == "QGemm"), string.Join(' ', optimized));
        // At most the result is turned into floats, never the weights.
        Assert.IsLessThanOrEqualTo(next == "Erf" ? 0 : 1, optimized.Count(o => o == "DequantizeLinear"), string.Join(' ', optimized));
    }

    [TestMethod]
    public void PowerOfTwo_HasScalesOfFixedPoint()
    {
        var test = Chain();
        byte[] before = OnnxWriter.ToBytes(test.Model);
        using var reference = Open(before);

        Quantize(test, Options with { QuantizationScheme = QuantizationScheme.PowerOfTwo });

        foreach (var node in test.Graph.Nodes.Where(n => n.OpType == "DequantizeLinear"))
        {
            node.Inputs[1]!.TryGetConstant(out var scales);
            foreach (float scale in scales!.AsSpan<float>()) Assert.AreEqual(Math.ScaleB(1, Math.ILogB(scale)), scale, node.DisplayName);
        }

        var sample = new CalibrationRows(test.Model, 1).Read(0, 0);
        float[] expected = First(reference.Run(sample.Inputs)), actual = Run(test.Model, sample);
        // Steps are at most twice as large as without: half as many codes, of which 128 of 255 remain.
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], 0.1 * expected.Max(Math.Abs));
    }

    private static TestModel Chain()
    {
        var test = new TestModel();
        var x = test.Input("x", 1, 4, 12, 12);
        var a = test.Node("Relu", [test.Node("Conv", [x, test.Weight("w1", 16, 4, 3, 3), test.Weight("b1", 16)])]);
        var b = test.Node("Relu", [test.Node("Conv", [a, test.Weight("w2", 16, 16, 3, 3)], NodeAttribute.Of("pads", 1L, 1L, 1L, 1L))]);
        var sum = test.Node("Add", [a, b]);
        var pooled = test.Node("MaxPool", [sum], NodeAttribute.Of("kernel_shape", 2L, 2L));
        test.Output(test.Node("Softplus", [test.Node("Conv", [pooled, test.Weight("w3", 8, 16, 1, 1), test.Weight("b3", 8)])]));
        return test;
    }

    private static PassLog Quantize(TestModel test, CompressionOptions? options = null) =>
        test.Run(new QuantizeStatically(CalibrationRows.For(test.Model)), options ?? Options);

    private static float[] Run(Model model, Sample sample) => First(RunAll(model, sample));

    private static IReadOnlyList<NamedValue> RunAll(Model model, Sample sample)
    {
        using var session = Open(OnnxWriter.ToBytes(model));
        return session.Run(sample.Inputs);
    }

    private static ModelSession Open(byte[] model) => ModelSession.Open(model, "test.onnx", SessionSettings.Default, ModelRole.Original);

    private static float[] First(IReadOnlyList<NamedValue> outputs) => ((TensorValue)outputs[0].Value).Tensor.AsSpan<float>().ToArray();

    private static float[] Floats(Value value) => value.TryGetConstant(out var tensor) ? tensor.AsSpan<float>().ToArray() : throw new AssertFailedException(value.Name);
}
