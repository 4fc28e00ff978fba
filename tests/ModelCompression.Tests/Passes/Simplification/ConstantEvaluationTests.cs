using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification.Evaluation;

namespace ModelCompression.Tests.Passes.Simplification;

/// <summary>The evaluator against ONNX Runtime, bit for bit.</summary>
[TestClass]
public sealed class ConstantEvaluationTests
{
    private static readonly Tensor Real = new TestModel().RandomTensor(2, 3, 4);

    public static IEnumerable<object[]> Calls()
    {
        yield return Call("Reshape", [Real, Tensor.Int64([3], 0, -1, 2)]);
        yield return Call("Squeeze", [Tensor.Int64([1, 2, 1], 5, 6), Tensor.Int64([1], -1)]);
        yield return Call("Squeeze", [Tensor.Int64([1, 2, 1], 5, 6)]);
        yield return Call("Unsqueeze", [Real, Tensor.Int64([2], 0, -1)]);
        yield return Call("Flatten", [Real], Attribute("axis", -1));
        yield return Call("Flatten", [Real], Attribute("axis", 0));
        yield return Call("Transpose", [Real], NodeAttribute.Of("perm", 2L, 0L, 1L));
        yield return Call("Transpose", [Real]);
        yield return Call("Expand", [Tensor.Int64([2, 1], 1, 2), Tensor.Int64([3], 3, 1, 4)]);
        yield return Call("Concat", [Real, Real], Attribute("axis", -2));
        yield return Call("Gather", [Real, Tensor.Int64([2, 2], 0, -1, 1, 1)], Attribute("axis", 1));
        yield return Call("Gather", [Tensor.Int64([3], 4, 5, 6), Tensor.Create(DataType.Int32, [], new[] { 2 })]);
        yield return Call("ConstantOfShape", [Tensor.Int64([2], 2, 3)], NodeAttribute.Of("value", Tensor.Int64([1], 7)));
        yield return Call("ConstantOfShape", [Tensor.Int64([0])]);
        yield return Call("Range", [Tensor.Int64([], 3), Tensor.Int64([], -4), Tensor.Int64([], -2)]);
        yield return Call("Range", [Tensor.Int64([], 3), Tensor.Int64([], 3), Tensor.Int64([], 2)]);
        yield return Call("Shape", [Real], Attribute("start", -2));
        yield return Call("Size", [Real]);
        yield return Call("Split", [Real], 2, Attribute("axis", 2));
        yield return Call("Split", [Real, Tensor.Int64([2], 1, 2)], 2, Attribute("axis", 1));
        yield return Call("Cast", [Real], Attribute("to", (long)DataType.Float16));
        yield return Call("Cast", [Tensor.Float([4], -1.5f, 0, 2.9f, 7)], Attribute("to", (long)DataType.Int32));
        yield return Call("Cast", [Tensor.Int64([3], 0, -3, 16777217)], Attribute("to", (long)DataType.Float));
        yield return Call("Cast", [Tensor.Int64([3], 0, -3, 5)], Attribute("to", (long)DataType.Bool));
        yield return Call("Where", [Tensor.Create(DataType.Bool, [2, 1], new byte[] { 1, 0 }), Tensor.Int64([3], 1, 2, 3), Tensor.Int64([1], 9)]);
        yield return Call("ReduceProd", [Tensor.Int64([2, 3], 1, 2, 3, 4, 5, 6)], NodeAttribute.Of("axes", [1L]));
        yield return Call("ReduceMax", [Tensor.Int64([2, 3], 1, 2, 3, 4, 5, 6)], Attribute("keepdims", 0));
        yield return Call("ReduceSum", [Tensor.Int64([2, 3], 1, 2, 3, 4, 5, 6), Tensor.Int64([1], 0)], Attribute("keepdims", 0));
        yield return Call("Sqrt", [Tensor.Float([3], 2, 3, -1)]);
        yield return Call("Not", [Tensor.Create(DataType.Bool, [2], new byte[] { 1, 0 })]);
        foreach (string op in new[] { "Neg", "Abs" }) yield return Call(op, [Tensor.Int64([3], -5, 0, 5)]);
        foreach (string op in new[] { "Floor", "Ceil", "Neg" }) yield return Call(op, [Tensor.Float([4], -1.5f, -0.5f, 0.5f, 2)]);
        foreach (string op in new[] { "Add", "Sub", "Mul", "Div" }) yield return Call(op, [Real, Tensor.Float([4], 3, 0.1f, -7, 0)]);
        foreach (string op in new[] { "Add", "Sub", "Mul", "Div", "Mod", "Min", "Max" })
            yield return Call(op, [Tensor.Int64([2, 2], 7, -7, 5, -5), Tensor.Int64([2], 3, -2)]);
        foreach (string op in new[] { "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual" })
            yield return Call(op, [Tensor.Int64([3], 1, 2, 3), Tensor.Int64([], 2)]);
        foreach (string op in new[] { "And", "Or", "Xor" })
            yield return Call(op, [Tensor.Create(DataType.Bool, [4], new byte[] { 0, 0, 1, 1 }), Tensor.Create(DataType.Bool, [4], new byte[] { 0, 1, 0, 1 })]);
        long[][] slices = [[0, 2, 1], [1, 100, 2], [-1, -100, -1], [-2, long.MaxValue, 1], [3, 1, -1], [2, 2, 1], [100, 0, -3], [-100, -1, 1]];
        foreach (long[] s in slices)
            yield return Call("Slice", [Real, Tensor.Int64([1], s[0]), Tensor.Int64([1], s[1]), Tensor.Int64([1], 2), Tensor.Int64([1], s[2])]);
    }

    [TestMethod]
    [DynamicData(nameof(Calls))]
    public void Result_IsThatOfTheRuntime(string op, Tensor[] inputs, int outputs, NodeAttribute[] attributes)
    {
        var m = new TestModel(opset: op == "Size" || op == "Shape" ? 15 : 13);
        var node = m.MultiNode(op, [.. inputs.Select(i => m.Constant("c", i))], outputs, attributes);
        m.Output([.. node.Outputs.Select(o => o!)]);
        var results = ShapeMathEvaluator.TryEvaluate(new ConstantCall(node, m.Model.OpsetImports.Onnx, inputs));
        Assert.IsNotNull(results);
        var known = new TestModel();
        foreach (var result in results) known.Output(known.Node("Constant", [], NodeAttribute.Of("value", result)));
        foreach (var (output, result) in node.Outputs.Zip(results)) output!.Type = new TensorType(result.DataType, null);
        foreach (var (output, result) in known.Graph.Outputs.Zip(results)) output.Type = new TensorType(result.DataType, null);
        using var runtime = Equivalence.Open(OnnxWriter.ToBytes(m.Model));
        using var stored = Equivalence.Open(OnnxWriter.ToBytes(known.Model));
        var expected = runtime.Run([]);
        Assert.HasCount(outputs, expected);
        Assert.IsNull(Equivalence.Difference(expected, stored.Run([]), _ => 0));
    }

    private static object[] Call(string op, Tensor[] inputs, params NodeAttribute[] attributes) => [op, inputs, 1, attributes];

    private static object[] Call(string op, Tensor[] inputs, int outputs, params NodeAttribute[] attributes) => [op, inputs, outputs, attributes];

    private static NodeAttribute Attribute(string name, long value) => NodeAttribute.Of(name, value);
}
