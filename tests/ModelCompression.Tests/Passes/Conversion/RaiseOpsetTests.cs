using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes;
using ModelCompression.Passes.Conversion;
using ModelCompression.Runtime;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Conversion;

/// <summary>Each rule on a model of one operator: the converted model gives the same bits in ONNX Runtime.</summary>
[TestClass]
public sealed class RaiseOpsetTests
{
    private static readonly Dictionary<string, Action<TestModel>> Models = new()
    {
        ["Clip 9"] = m => m.Output(m.Node("Clip", [m.Input("x", 2, 3)], NodeAttribute.Of("min", -0.25f), NodeAttribute.Of("max", 0.5f))),
        ["Clip 10"] = m => m.Output(m.Node("Clip", [m.Input("x", 2, 3)], NodeAttribute.Of("max", 0.5f))),
        ["Pad 9"] = m => m.Output(m.Node("Pad", [m.Input("x", 2, 3)], NodeAttribute.Of("pads", 1L, 0L, 0L, 2L), NodeAttribute.Of("value", 3f))),
        ["Pad 7"] = m => m.Output(m.Node("Pad", [m.Input("x", 2, 3)], NodeAttribute.Of("pads", 1L, 0L, 0L, 2L), NodeAttribute.Of("mode", "reflect"))),
        ["Slice 9"] = m => m.Output(m.Node("Slice", [m.Input("x", 4, 5)], NodeAttribute.Of("starts", 1L, -3L), NodeAttribute.Of("ends", 3L, 9L), NodeAttribute.Of("axes", 0L, 1L))),
        ["Slice 8"] = m => m.Output(m.Node("Slice", [m.Input("x", 4, 5)], NodeAttribute.Of("starts", [1L]), NodeAttribute.Of("ends", [3L]))),
        ["TopK 9"] = m => m.Output([.. m.MultiNode("TopK", [m.Input("x", 4, 5)], 2, NodeAttribute.Of("k", 2L)).Outputs.Take(1).Select(o => o!)]),
        ["Squeeze 11"] = m => m.Output(m.Node("Squeeze", [m.Input("x", 1, 5, 1)], NodeAttribute.Of("axes", [0L]))),
        ["Squeeze 12"] = m => m.Output(m.Node("Squeeze", [m.Input("x", 1, 5, 1)])),
        ["Unsqueeze 9"] = m => m.Output(m.Node("Unsqueeze", [m.Input("x", 5)], NodeAttribute.Of("axes", 0L, 2L))),
        ["ReduceSum 11"] = m => m.Output(m.Node("ReduceSum", [m.Input("x", 2, 5, 3)], NodeAttribute.Of("axes", [1L]), NodeAttribute.Of("keepdims", 0L))),
        ["ReduceMean 9"] = m => m.Output(m.Node("ReduceMean", [m.Input("x", 2, 5, 3)], NodeAttribute.Of("axes", [1L]))),
        ["Split 11"] = m => m.Output([.. m.MultiNode("Split", [m.Input("x", 2, 5)], 2, NodeAttribute.Of("split", 2L, 3L), NodeAttribute.Of("axis", 1L)).Outputs.Select(o => o!)]),
        ["Split 9"] = m => m.Output([.. m.MultiNode("Split", [m.Input("x", 4, 5)], 2).Outputs.Select(o => o!)]),
        ["Dropout 10"] = m => m.Output(m.Node("Dropout", [m.Input("x", 2, 5)], NodeAttribute.Of("ratio", 0.3f))),
        ["Softmax 11"] = m => m.Output(m.Node("Softmax", [m.Input("x", 2, 3, 4)])),
        ["Softmax 9"] = m => m.Output(m.Node("Softmax", [m.Input("x", 2, 3, 4)], NodeAttribute.Of("axis", 2L))),
        ["LogSoftmax 12"] = m => m.Output(m.Node("LogSoftmax", [m.Input("x", 2, 3)])),
        ["Hardmax 9"] = m => m.Output(m.Node("Hardmax", [m.Input("x", 2, 3, 2)], NodeAttribute.Of("axis", 0L))),
        ["Upsample 7"] = m => m.Output(m.Node("Upsample", [m.Input("x", 1, 2, 3, 4)], NodeAttribute.Of("scales", 1f, 1f, 2f, 3f))),
        ["Upsample 9"] = m => m.Output(m.Node("Upsample", [m.Input("x", 1, 2, 3, 4), m.Constant("s", Tensor.Float([4], 1, 1, 2, 2))], NodeAttribute.Of("mode", "linear"))),
        ["Resize 10"] = m => m.Output(m.Node("Resize", [m.Input("x", 1, 2, 3, 4), m.Constant("s", Tensor.Float([4], 1, 1, 1.5f, 2))])),
        ["Scatter 9"] = m => m.Output(m.Node("Scatter", [m.Input("x", 3, 3), m.Constant("i", Tensor.Int64([1, 3], 2, 0, 1)), m.Weight("u", 1, 3)])),
        ["BatchNormalization 9"] = m => m.Output(m.Node("BatchNormalization", [m.Input("x", 2, 3, 2), m.Weight("s", 3), m.Weight("b", 3), m.Weight("m", 3), m.Positive("v", 3)])),
    };

    public static IEnumerable<object[]> Cases => Models.Keys.Select(k => new object[] { k });

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Operator_Converted_GivesTheSameBits(string name)
    {
        var test = new TestModel(long.Parse(name.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture), irVersion: 4);
        Models[name](test);
        byte[] before = OnnxWriter.ToBytes(test.Model);
        var inputs = SyntheticInputs.For(test.Model, seed: 1);

        var log = test.Run(new RaiseOpset());

        Assert.AreEqual(13, test.Model.OpsetImports.Onnx, string.Join('\n', log.Edits));
        using var original = Equivalence.Open(before);
        using var converted = Equivalence.Open(OnnxWriter.ToBytes(test.Model));
        var expected = Equivalence.RunFirstThatWorks(original, inputs, out var sample);
        Assert.IsNotNull(expected);
        Assert.IsNull(Equivalence.Difference(expected, converted.Run(sample.Inputs), _ => 0));
    }

    [TestMethod]
    public void OperatorInABranch_IsConvertedToo()
    {
        var test = new TestModel(11);
        var condition = test.Input("c", DataType.Bool);
        var x = test.Input("x", 1, 4);
        var branches = new[] { "then_branch", "else_branch" }.Select(b =>
        {
            var branch = test.Subgraph(b);
            branch.Output(branch.Node("Squeeze", [x], NodeAttribute.Of("axes", [0L])));
            return NodeAttribute.Of(b, branch.Graph);
        }).ToArray();
        test.Output(test.Node("If", [condition], branches));

        test.Run(new RaiseOpset());

        using var session = Equivalence.Open(OnnxWriter.ToBytes(test.Model));
        Assert.IsTrue(test.Graph.AllNodes().Where(n => n.OpType == "Squeeze").All(n => n.Inputs.Count == 2));
    }

    [TestMethod]
    public void OperatorWithoutRule_LeavesTheModelAsItIs()
    {
        var test = new TestModel(10);
        var x = test.Input("x", 1, 2, 4, 4);
        var clipped = test.Node("Clip", [x], NodeAttribute.Of("min", 0f));
        test.Output(test.Node("Resize", [clipped, test.Constant("s", Tensor.Float([4], 1, 1, 0.5f, 0.5f))]));
        byte[] before = OnnxWriter.ToBytes(test.Model);

        var log = test.Run(new RaiseOpset());

        CollectionAssert.AreEqual(before, OnnxWriter.ToBytes(test.Model));
        Assert.IsTrue(log.Edits.Single() is PassEdit { Applied: false, Reason: "Resize may reduce its input" });
    }

    [TestMethod]
    public void InitializersListedAsInputs_AreNoInputsAnyMore()
    {
        var test = new TestModel(9, irVersion: 3);
        var w = test.Input("w", 3, 2);
        test.Graph.SetInitializer(w, test.RandomTensor(3, 2));
        test.Output(test.Node("MatMul", [test.Input("x", 1, 3), w]));

        test.Run(new RaiseOpset());

        Assert.AreEqual(1, test.Graph.Inputs.Count);
        Assert.IsTrue(test.Model.IrVersion >= 7);
        using var session = Equivalence.Open(OnnxWriter.ToBytes(test.Model));
    }
}
