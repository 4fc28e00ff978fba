using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.Static;

[TestClass]
public sealed class QOperatorTests
{
    private static readonly CompressionOptions Options = new() { Quantization = QuantizationMode.Static, QuantizationFormat = QuantizationFormat.QOperator, TargetCpu = TargetCpu.X64Vnni };

    /// <summary>What stands between two convolutions, and the integer operator it becomes.</summary>
    private static readonly (string Expected, Func<TestModel, Value, Value, Value> Make)[] Operators =
    [
        ("QLinearAdd", (t, a, b) => t.Node("Add", [a, b])),
        ("QLinearAdd", (t, a, _) => t.Node("Add", [a, t.Weight("c", 1, 6, 1, 1)])),
        ("QLinearMul", (t, a, b) => t.Node("Mul", [a, b])),
        ("QLinearConcat", (t, a, b) => t.Node("Concat", [a, b], NodeAttribute.Of("axis", 1L))),
        ("QLinearWhere", (t, a, b) => t.Node("Where", [t.Constant("condition", Tensor.Create(DataType.Bool, [1, 1, 1, 8], [true, false, true, true, false, false, true, false])), a, b])),
        ("QLinearSigmoid", (t, a, _) => t.Node("Sigmoid", [a])),
        ("QLinearLeakyRelu", (t, a, _) => t.Node("LeakyRelu", [a], NodeAttribute.Of("alpha", 0.2f))),
        ("QLinearSoftmax", (t, a, _) => t.Node("Softmax", [a], NodeAttribute.Of("axis", -1L))),
        ("QLinearAveragePool", (t, a, _) => t.Node("AveragePool", [a], NodeAttribute.Of("kernel_shape", 2L, 2L), NodeAttribute.Of("pads", 1L, 0L, 1L, 0L))),
        ("QLinearGlobalAveragePool", (t, a, _) => t.Node("GlobalAveragePool", [a])),
        ("MaxPool", (t, a, _) => t.Node("MaxPool", [a], NodeAttribute.Of("kernel_shape", 2L, 2L))),
        ("Reshape", (t, a, _) => t.Node("Reshape", [a, t.Ints(1, 12, 4, 8)])),
        ("Transpose", (t, a, _) => t.Node("Transpose", [a], NodeAttribute.Of("perm", 0L, 1L, 3L, 2L))),
        ("Unsqueeze", (t, a, _) => t.Node("Squeeze", [t.Node("Unsqueeze", [a, t.Ints(1)]), t.Ints(1)])),
        ("Gather", (t, a, _) => t.Node("Gather", [a, t.Ints(3, 0, 2)], NodeAttribute.Of("axis", 2L))),
        ("Slice", (t, a, _) => t.Node("Slice", [a, t.Ints(1), t.Ints(7), t.Ints(3)])),
        ("Expand", (t, a, _) => t.Node("Expand", [a, t.Ints(2, 6, 8, 8)])),
        ("Tile", (t, a, _) => t.Node("Tile", [a, t.Ints(1, 1, 2, 1)])),
        ("DepthToSpace", (t, a, _) => t.Node("DepthToSpace", [t.Node("Expand", [a, t.Ints(4, 6, 8, 8)])], NodeAttribute.Of("blocksize", 1L))),
        ("Resize", (t, a, _) => t.Node("Resize", [a, null, t.Constant("scales", Tensor.Float([4], 1, 1, 2, 2))], NodeAttribute.Of("mode", "nearest"))),
        ("Resize", (t, a, _) => t.Node("Resize", [a, null, t.Constant("scales", Tensor.Float([4], 1, 1, 2, 2))], NodeAttribute.Of("mode", "linear"))),
        ("Pad", (t, a, _) => t.Node("Pad", [a, t.Ints(0, 0, 1, 1, 0, 0, 1, 1)])),
        ("Pad", (t, a, _) => t.Node("Pad", [a, t.Ints(0, 0, 1, 1, 0, 0, 1, 1), t.Constant("filling", Tensor.Float([], 0.5f))])),
        ("Split", (t, a, _) => t.MultiNode("Split", [a], 2, NodeAttribute.Of("axis", 1L)).Outputs[0]!),
    ];

    public static IEnumerable<object[]> Cases => Operators.Select((o, i) => new object[] { i, o.Expected });

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Operator_ComputesWithCodes_AsItsPairsDo(int index, string expected)
    {
        var middle = Operators[index].Make;
        var (pairs, operators) = (Between(middle), Between(middle));
        pairs.Run(new QuantizeStatically(CalibrationRows.For(pairs.Model)), Options with { QuantizationFormat = QuantizationFormat.Qdq });

        var log = operators.Run(new QuantizeStatically(CalibrationRows.For(operators.Model)), Options);
        operators.Run(new RemoveUnusedNodes());

        string all = string.Join(' ', operators.OpTypes());
        CollectionAssert.Contains(operators.OpTypes(), expected, all);
        // One pair at each border: the input, and the output in front of Softplus. Constants have been quantized by hand.
        Assert.AreEqual(1, operators.OpTypes().Count(o => o == "QuantizeLinear"), all);
        Assert.AreEqual(1, operators.OpTypes().Count(o => o == "DequantizeLinear"), all);
        Assert.IsFalse(log.Edits.Any(e => !e.Applied), string.Join('\n', log.Edits));
        AssertAgree(pairs.Model, operators.Model, Step(operators.Model));
        Assert.IsTrue(log.Layers.All(l => l.Action.EndsWith("QOperator", StringComparison.Ordinal)));
    }

    [TestMethod]
    [DataRow(true), DataRow(false)]
    public void Products_BecomeIntegerOperators(bool isLast)
    {
        var (pairs, operators) = (Products(isLast), Products(isLast));
        pairs.Run(new QuantizeStatically(CalibrationRows.For(pairs.Model)), Options with { QuantizationFormat = QuantizationFormat.Qdq });

        operators.Run(new QuantizeStatically(CalibrationRows.For(operators.Model)), Options);

        string[] expected = isLast ? ["QuantizeLinear", "QGemm", "QLinearAdd", "MatMulIntegerToFloat", "Softplus"] : ["QuantizeLinear", "QLinearMatMul", "QLinearAdd", "QGemm", "Softplus"];
        Assert.AreEqual(string.Join(' ', expected), string.Join(' ', operators.OpTypes().Where(o => o != "DequantizeLinear")));
        Assert.AreEqual(1, operators.Model.OpsetImports["com.microsoft"]);
        // Products return floats: only a code of what they read may differ, which counts by their weights.
        AssertAgree(pairs.Model, operators.Model, 0.02);
    }

    [TestMethod]
    public void DilatedPool_KeepsItsPairs_WithAReason()
    {
        var test = Between((t, a, _) => t.Node("AveragePool", [a], NodeAttribute.Of("kernel_shape", 2L, 2L), NodeAttribute.Of("dilations", 2L, 2L)), 19);

        var log = test.Run(new QuantizeStatically(CalibrationRows.For(test.Model)), Options);

        CollectionAssert.Contains(test.OpTypes(), "AveragePool");
        Assert.IsTrue(log.Edits.Any(e => !e.Applied && e.Reason == "kept as QDQ: the integer operator has no dilations"), string.Join('\n', log.Edits));
        using var session = Open(test.Model);
        Assert.IsTrue(First(session.Run(new CalibrationRows(test.Model, 1).Read(0, 0).Inputs)).All(float.IsFinite));
    }

    private static TestModel Between(Func<TestModel, Value, Value, Value> middle, long opset = 13)
    {
        var test = new TestModel(opset);
        var x = test.Input("x", 1, 4, 8, 8);
        var (a, b) = (test.Node("Conv", [x, test.Weight("wa", 6, 4, 1, 1), test.Weight("ba", 6)]), test.Node("Conv", [x, test.Weight("wb", 6, 4, 1, 1)]));
        var between = middle(test, a, b);
        // Which number of channels the operator returns is not known here; a group of one channel each takes any.
        test.Output(test.Node("Softplus", [test.Node("Conv", [test.Node("Reshape", [between, test.Ints(1, 1, 1, -1)]), test.Weight("wc", 2, 1, 1, 1)])]));
        test.Run(new RemoveUnusedNodes());
        return test;
    }

    private static TestModel Products(bool isLast)
    {
        var test = new TestModel();
        var x = test.Input("x", 5, 8);
        Value Dense(Value input, string name) => test.Node("Gemm", [input, test.Weight("g" + name, 8, 8), test.Weight("b" + name, 8)], NodeAttribute.Of("transB", 1L));
        Value Product(Value input, string name) => test.Node("MatMul", [input, test.Weight("m" + name, 8, 8)]);
        var first = isLast ? Dense(x, "1") : Product(x, "1");
        var sum = test.Node("Add", [first, test.Weight("c", 8)]);
        test.Output(test.Node("Softplus", [isLast ? Product(sum, "2") : Dense(sum, "2")]));
        return test;
    }

    /// <summary>The scale of the only DequantizeLinear; Softplus has at most slope 1.</summary>
    private static double Step(Model model) =>
        model.Graph.Nodes.Single(n => n.OpType == "DequantizeLinear").Inputs[1]!.TryGetConstant(out var scale) ? scale.AsSpan<float>().ToArray().Max() : 0;

    private static void AssertAgree(Model pairs, Model operators, double tolerance)
    {
        using var one = Open(pairs);
        using var other = Open(operators);
        var samples = new CalibrationRows(pairs, 4);
        for (int i = 0; i < 4; i++)
        {
            float[] expected = First(one.Run(samples.Read(0, i).Inputs)), actual = First(other.Run(samples.Read(0, i).Inputs));
            Assert.HasCount(expected.Length, actual);
            for (int k = 0; k < expected.Length; k++) Assert.AreEqual(expected[k], actual[k], tolerance * 1.001);
        }
    }

    private static ModelSession Open(Model model) => ModelSession.Open(OnnxWriter.ToBytes(model), "test.onnx", SessionSettings.Lean, ModelRole.Original);

    private static float[] First(IReadOnlyList<NamedValue> outputs) => ((TensorValue)outputs[0].Value).Tensor.AsSpan<float>().ToArray();
}
