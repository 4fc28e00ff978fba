using Microsoft.ML.OnnxRuntime;
using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization.Dynamic;
using ModelCompression.Runtime;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.Dynamic;

/// <summary>
/// The numbers: y = float model with restored weights, fed with what 8 bits leave of x. Both are computed independently of the pass; integer sums are exact, so
/// only the float model's own rounding separates them.
/// </summary>
[TestClass]
public sealed class QuantizeDynamicallyTests
{
    /// <summary>K ≤ 64 products are summed in binary32: 64 · 2^−24 relative to the largest, and scaling adds two roundings.</summary>
    private const double Tolerance = 8e-6;

    public static IEnumerable<object[]> Cases =>
        from c in DynamicCase.All
        from opset in new[] { 9L, 11L, 13L, 18L, 21L }
        where opset >= 11 || c.Name is not ("branches of an If" or "matmul, batched" or "matmul, vector")
        from scheme in new[] { QuantizationScheme.Symmetric, QuantizationScheme.Asymmetric }
        from granularity in new[] { QuantizationGranularity.Channel, QuantizationGranularity.Tensor }
        from target in new[] { TargetCpu.Any, TargetCpu.X64Vnni }
        select new object[] { c.Name, opset, scheme, granularity, target };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Outputs_AreThoseOfRestoredWeightsAndActivations(string name, long opset, QuantizationScheme scheme, QuantizationGranularity granularity, TargetCpu target)
    {
        var made = DynamicCase.All.Single(c => c.Name == name);
        bool symmetric = scheme == QuantizationScheme.Symmetric || (name == "matmul, batched" && granularity == QuantizationGranularity.Channel);
        var expected = made.Make(opset);
        RestoredWeights.Apply(expected.Model, granularity == QuantizationGranularity.Tensor ? [.. made.Axes.Select(_ => Array.Empty<int>())] : made.Axes, symmetric);
        var actual = made.Make(opset);
        actual.Run(new QuantizeDynamically(), new() { Quantization = QuantizationMode.Dynamic, QuantizationScheme = scheme, QuantizationGranularity = granularity, TargetCpu = target });

        Assert.IsEmpty(actual.OpTypes().Where(t => t is "MatMul" or "Gemm").ToArray());
        float[] x = Activation(made.Input);
        var wanted = Run(expected.Model, made.Input, QuantizedActivation.Of(x), optimize: false);
        foreach (bool optimize in new[] { false, true })
        {
            var outputs = Run(actual.Model, made.Input, x, optimize);
            Assert.IsNull(Equivalence.Difference(wanted, outputs, values => Tolerance * values.Max(Math.Abs)), optimize ? "optimized" : "as written");
        }
    }

    [TestMethod]
    [DataRow(13, TargetCpu.Any)]
    [DataRow(13, TargetCpu.X64Vnni)]
    [DataRow(9, TargetCpu.Any)]
    public void Products_RunInOnnxRuntimesFusedKernels(int opset, TargetCpu target)
    {
        var model = DynamicCase.All.Single(c => c.Name == "gemm").Make(opset);
        model.Run(new QuantizeDynamically(), new() { Quantization = QuantizationMode.Dynamic, TargetCpu = target });
        string[] left = OptimizedModel.OpTypes(model.Model, GraphOptimizationLevel.ORT_ENABLE_EXTENDED);
        CollectionAssert.AreEqual(new[] { "DynamicQuantizeMatMul" }, left.Except(["Add"]).ToArray());
    }

    [TestMethod]
    [DataRow(1, "forward", TargetCpu.Any)]
    [DataRow(1, "reverse", TargetCpu.X64Vnni)]
    [DataRow(2, "bidirectional", TargetCpu.Any)]
    [DataRow(2, "bidirectional", TargetCpu.Arm64)]
    public void Lstm_ComputesWithIntegersInItsDirections(int directions, string direction, TargetCpu target)
    {
        foreach (long opset in new[] { 9L, 14L, 21L })
        {
            foreach (var granularity in new[] { QuantizationGranularity.Channel, QuantizationGranularity.Tensor })
            {
                var expected = Lstm(directions, direction, opset);
                var actual = Lstm(directions, direction, opset);
                actual.Run(new QuantizeDynamically(), new() { Quantization = QuantizationMode.Dynamic, QuantizationGranularity = granularity, TargetCpu = target });
                CollectionAssert.Contains(actual.OpTypes(), "DynamicQuantizeLSTM");
                float[] x = Activation([7, 2, 24]);
                // Three sources of uniform noise at 8 bits, about 45 dB each; a gate in the wrong place leaves about 0 dB.
                double sqnr = Sqnr(Run(expected.Model, [7, 2, 24], x, false), Run(actual.Model, [7, 2, 24], x, true));
                Assert.IsGreaterThan(30.0, sqnr);
                Assert.IsLessThan(80.0, sqnr, "Nothing was rounded.");
            }
        }
    }

    /// <summary>Classifiers of whole sequences look at the last state only.</summary>
    [TestMethod]
    public void LstmWhoseFirstOutputIsLeftOut_ComputesWithIntegers()
    {
        static TestModel Make() => new DynamicCase(
            "",
            (m, x) => m.Output(m.Model.Graph.AddNode("LSTM", [x, m.Weight("w", 1, 80, 24), m.Weight("r", 1, 80, 20), m.Weight("b", 1, 160)], ["", "last"], [NodeAttribute.Of("hidden_size", 20L)]).Outputs[1]!),
            [7, 2, 24]).Make(14);
        var (expected, actual) = (Make(), Make());
        actual.Run(new QuantizeDynamically(), new() { Quantization = QuantizationMode.Dynamic });
        CollectionAssert.Contains(actual.OpTypes(), "DynamicQuantizeLSTM");
        float[] x = Activation([7, 2, 24]);
        Assert.IsGreaterThan(30.0, Sqnr(Run(expected.Model, [7, 2, 24], x, false), Run(actual.Model, [7, 2, 24], x, true)));
    }

    [TestMethod]
    [DataRow(QuantizationGranularity.Channel, TargetCpu.Any)]
    [DataRow(QuantizationGranularity.Channel, TargetCpu.X64Vnni)]
    [DataRow(QuantizationGranularity.Tensor, TargetCpu.Any)]
    public void Convolution_ComputesWithIntegersWhenAskedTo(QuantizationGranularity granularity, TargetCpu target)
    {
        var expected = Convolution();
        RestoredWeights.Apply(expected.Model, [granularity == QuantizationGranularity.Tensor ? [] : [0]], symmetric: true);
        var actual = Convolution();
        actual.Run(new QuantizeDynamically(), new() { Quantization = QuantizationMode.Dynamic, QuantizationFormat = QuantizationFormat.QOperator, QuantizationGranularity = granularity, TargetCpu = target });
        CollectionAssert.Contains(actual.OpTypes(), "ConvInteger");
        float[] x = Activation([1, 8, 9, 9]);
        var wanted = Run(expected.Model, [1, 8, 9, 9], QuantizedActivation.Of(x), false);
        Assert.IsNull(Equivalence.Difference(wanted, Run(actual.Model, [1, 8, 9, 9], x, true), values => Tolerance * values.Max(Math.Abs)));
    }

    [TestMethod]
    [DataRow(2)]
    [DataRow(4)]
    [DataRow(6)]
    public void NarrowCodes_ArePackedInTheFileAndBytesInTheKernel(int bits)
    {
        static TestModel Make() => new DynamicCase("", (m, x) => m.Output(m.Node("MatMul", [x, m.Weight("w", 256, 256)])), [3, 256]).Make(13);
        var (full, narrow) = (Make(), Make());
        full.Run(new QuantizeDynamically(), new() { Quantization = QuantizationMode.Dynamic });
        narrow.Run(new QuantizeDynamically(), new() { Quantization = QuantizationMode.Dynamic, WeightBits = bits });
        int saved = OnnxWriter.ToBytes(full.Model).Length - OnnxWriter.ToBytes(narrow.Model).Length;
        Assert.IsGreaterThan((256 * 256 * (8 - bits) / 8) - 4096, saved);
        CollectionAssert.AreEqual(new[] { "DynamicQuantizeMatMul" }, OptimizedModel.OpTypes(narrow.Model, GraphOptimizationLevel.ORT_ENABLE_EXTENDED));
        float[] x = Activation([3, 256]);
        // Uniform weights with max|w| = 1 per column: noise (2^(1−bits))²/12 to signal 1/3 is 6.02·(bits − 1) dB, give or take the finite sample and the coarser end.
        Assert.IsGreaterThan((6.02 * (bits - 1)) - 3, Sqnr(Run(Make().Model, [3, 256], x, false), Run(narrow.Model, [3, 256], x, true)));
    }

    private static TestModel Convolution() => new DynamicCase(
        "",
        (m, x) => m.Output(m.Node("Conv", [x, m.Weight("w", 20, 4, 3, 3), m.Weight("b", 20)], NodeAttribute.Of("group", 2L), NodeAttribute.Of("pads", 1, 1, 1, 1), NodeAttribute.Of("strides", 2, 2))),
        [1, 8, 9, 9]).Make(13);

    private static TestModel Lstm(int directions, string direction, long opset) => new DynamicCase(
        "",
        (m, x) =>
        {
            var lstm = m.MultiNode(
                "LSTM",
                [x, m.Weight("w", directions, 80, 24), m.Weight("r", directions, 80, 20), m.Weight("b", directions, 160), null, m.Weight("h", directions, 2, 20), m.Weight("c", directions, 2, 20)],
                3,
                NodeAttribute.Of("hidden_size", 20L),
                NodeAttribute.Of("direction", direction));
            m.Output(lstm.Outputs[0]!, lstm.Outputs[1]!, lstm.Outputs[2]!);
        },
        [7, 2, 24]).Make(opset);

    /// <summary>A skewed activation: its zero point is neither 0 nor 128.</summary>
    private static float[] Activation(long[] dims)
    {
        var random = new Random(11);
        return [.. Enumerable.Range(0, (int)Tensor.CountElements(dims)).Select(_ => (float)((random.NextDouble() * 4) - 1.2))];
    }

    private static IReadOnlyList<NamedValue> Run(Model model, long[] dims, float[] x, bool optimize)
    {
        using var session = ModelSession.Open(OnnxWriter.ToBytes(model), "test.onnx", optimize ? SessionSettings.Default : SessionSettings.Lean, ModelRole.Compressed);
        return session.Run([new("x", new TensorValue(Tensor.Float(dims, x)))]);
    }

    private static double Sqnr(IReadOnlyList<NamedValue> expected, IReadOnlyList<NamedValue> actual)
    {
        var sqnr = new OutputSqnr();
        sqnr.Add(expected, actual);
        return sqnr.Db;
    }
}
