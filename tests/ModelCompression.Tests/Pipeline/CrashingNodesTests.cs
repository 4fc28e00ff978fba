using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Pipeline;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Pipeline;

/// <summary>Each of the refused models was opened and run: it ended the process, or never came back.</summary>
[TestClass]
public sealed class CrashingNodesTests
{
    [TestMethod]
    [DataRow("Conv", 0, 4, 1, "without output channels")]
    [DataRow("ConvTranspose", 4, 4, 0, "has group=0")]
    public void ConvolutionThatCannotBeDivided_IsRefused(string opType, int first, int second, int group, string reason)
    {
        var model = new TestModel();
        var weight = model.Constant("w", Tensor.Float([first, second, 3, 3], new float[first * second * 9]));
        model.Output(model.Node(opType, [model.Input("x", 1, 4, 8, 8), weight], NodeAttribute.Of("group", (long)group)));

        AssertRefused(model, "MCB2042", opType, reason);
    }

    [TestMethod]
    public void BlocksOfNoElements_AreRefused()
    {
        var model = new TestModel(21, 10);
        model.Model.OpsetImports["com.microsoft"] = 1;
        var codes = model.Constant("w", Tensor.Create(DataType.UInt8, [4, 16], new byte[64]));
        var node = model.Graph.AddNode("GatherBlockQuantized", [codes, model.Ints(0), model.Weight("s", 4, 1)], ["y"], [NodeAttribute.Of("block_size", 0L)], "com.microsoft");
        model.Output(node.Outputs[0]!);

        AssertRefused(model, "MCB2042", "GatherBlockQuantized", "block_size=0");
    }

    [TestMethod]
    [DataRow("GRU", 5, 1, 0, true)]
    [DataRow("GRU", 0, 1, 8, true)]
    [DataRow("GRU", 5, 0, 8, true)]
    [DataRow("LSTM", 5, 0, 8, true)]
    [DataRow("LSTM", 0, 1, 8, false)]
    [DataRow("LSTM", 5, 1, 0, false)]
    [DataRow("RNN", 5, 0, 8, false)]
    public void RecurrentInputWithoutElements_IsRefusedWhereOnnxRuntimeCrashes(string opType, int steps, int samples, int size, bool isRefused)
    {
        int gates = opType switch { "GRU" => 3, "LSTM" => 4, _ => 1 };
        var model = new TestModel();
        var weight = model.Constant("w", Tensor.Float([1, gates * 4, size], new float[gates * 4 * size]));
        model.Output(model.Node(opType, [model.Input("x", steps, samples, size), weight, model.Weight("r", 1, gates * 4, 4)], NodeAttribute.Of("hidden_size", 4L)));

        if (isRefused) AssertRefused(model, "MCB2042", opType, $"an input of {steps} x {samples} x {size}");
        else AssertOpens(model);
    }

    [TestMethod]
    [DataRow("Div", int.MinValue, -1, true)]
    [DataRow("Mod", int.MinValue, -1, true)]
    [DataRow("Div", int.MinValue, 1, false)]
    [DataRow("Mod", int.MaxValue, -1, false)]
    public void QuotientWithoutPlaceInItsType_IsRefused(string opType, int dividend, int divisor, bool isRefused)
    {
        var model = new TestModel();
        var left = model.Constant("a", Tensor.Create(DataType.Int32, [2], [7, dividend]));
        var quotient = model.Node(opType, [left, model.Constant("b", Tensor.Create(DataType.Int32, [2], [3, divisor]))]);
        model.Output(quotient);
        quotient.Type = new TensorType(DataType.Int32, null);

        if (isRefused) AssertRefused(model, "MCB2042", opType, "divides the smallest Int32 by -1");
        else AssertOpens(model);
    }

    [TestMethod]
    [DataRow(long.MaxValue, true, true, true)]
    [DataRow(null, true, true, true)]
    [DataRow(null, null, true, true)]
    [DataRow(100L, true, true, false)]
    [DataRow(long.MaxValue, false, true, false)]
    [DataRow(long.MaxValue, true, false, false)]
    public void LoopWithoutEnd_IsRefused(long? trips, bool? start, bool keepsGoing, bool isRefused)
    {
        var model = new TestModel();
        var body = model.Subgraph("body");
        body.Input("turn", DataType.Int64);
        var condition = body.Input("condition", DataType.Bool);
        var state = body.Input("state", 1);
        var next = body.Node("Identity", [keepsGoing ? condition : body.Node("Less", [body.Node("ReduceMax", [state], NodeAttribute.Of("keepdims", 0L)), body.Constant("limit", Tensor.Float([], 3))])]);
        body.Output(next, body.Node("Relu", [state]));
        next.Type = new TensorType(DataType.Bool, null);
        var count = trips is { } number ? model.Constant("n", Tensor.Int64([], number)) : null;
        var first = start is { } flag ? model.Constant("c", Tensor.Create(DataType.Bool, [], [flag ? (byte)1 : (byte)0])) : null;
        model.Output(model.Node("Loop", [count, first, model.Input("x", 1)], NodeAttribute.Of("body", body.Graph)));

        if (isRefused) AssertRefused(model, "MCB2043", "Loop", "never ends");
        else AssertOpens(model);
    }

    private static void AssertRefused(TestModel model, string code, string opType, string reason)
    {
        var error = Assert.ThrowsExactly<DiagnosticException>(() => ModelRequirements.Check(model.Model));

        Assert.AreEqual(code, error.Diagnostic.Code);
        Assert.Contains(opType + " '", error.Message);
        Assert.Contains(reason, error.Message);
    }

    private static void AssertOpens(TestModel model)
    {
        ModelRequirements.Check(model.Model);
        using var session = Equivalence.Open(OnnxWriter.ToBytes(model.Model));
        Assert.HasCount(1, session.Interface.Outputs);
    }
}
