using Microsoft.ML.OnnxRuntime;
using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime;
using ModelCompression.Testing;
using ModelCompression.Tests.Passes.Quantization;

namespace ModelCompression.Tests.Passes.Simplification;

[TestClass]
public sealed class StateShapesTests
{
    private const int Channels = 16;

    private static readonly Dimension Batch = Dimension.OfSymbol("batch"), Length = Dimension.OfSymbol("sequence");

    [TestMethod]
    [DataRow(false), DataRow(true)]
    public void SumsInFrontOfNormalizations_AreJoinedByOnnxRuntime(bool decomposed)
    {
        var test = Block(decomposed, Batch, Length);
        Assert.AreEqual(0, JoinedIn(test.Model), "ONNX Runtime sees the sizes itself: the pass is not needed any more.");
        byte[] before = OnnxWriter.ToBytes(test.Model);

        var log = test.Run(new StateShapes());

        Assert.HasCount(1, log.Edits);
        Assert.AreEqual(1, JoinedIn(test.Model));
        using var original = Equivalence.Open(before);
        using var stated = ModelSession.Open(OnnxWriter.ToBytes(test.Model), "stated.onnx", SessionSettings.Default, ModelRole.Compressed);
        Equivalence.AssertSameInterface(original, stated);
        foreach (long length in new long[] { 1, 7 })
        {
            var x = new NamedValue("x", new TensorValue(test.RandomTensor(2, length, Channels)));
            // Normalized values are below 4 in magnitude; both take the same few sums in other orders.
            Assert.IsNull(Equivalence.Difference(original.Run([x]), stated.Run([x]), _ => 1e-5));
        }
    }

    [TestMethod]
    [DataRow("fixed sizes"), DataRow("a sum that is taken twice"), DataRow("two inputs"), DataRow("lossless")]
    [DataRow("axis 1"), DataRow("mean as output"), DataRow("one gain"), DataRow("shift for all"), DataRow("decomposed, axis 1"), DataRow("decomposed, one gain")]
    public void SumsThatCannotBeJoinedSafely_StayAsTheyAre(string change)
    {
        var test = change == "fixed sizes" ? Block(false, 2, 5) : Block(change.StartsWith("decomposed", StringComparison.Ordinal), Batch, Length, change);
        Node? normalization = test.Graph.Nodes.SingleOrDefault(n => n.OpType == "LayerNormalization");
        if (change == "a sum that is taken twice") test.Output(test.Node("Neg", [normalization!.Inputs[0]]));
        if (change == "axis 1") normalization!.SetAttribute(NodeAttribute.Of("axis", 1L));
        if (change == "mean as output") test.Output(normalization!.Outputs[1]!);
        var options = change == "lossless" ? new CompressionOptions { Preset = Preset.Lossless } : new CompressionOptions();
        Assert.IsEmpty(test.Run(new StateShapes(), options).Edits);
    }

    [TestMethod]
    public void SmallModels_KeepTheirBytes()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Combine("small.onnx");
        File.WriteAllBytes(path, OnnxWriter.ToBytes(Block(false, Batch, Length).Model));
        using var small = OnnxReader.Read(path);
        var log = new PassLog();
        new StateShapes().Run(small, new CompressionSettings(new CompressionOptions()), log);
        Assert.IsEmpty(log.Edits);
    }

    [TestMethod]
    public void RunTwice_ChangesNothingMore()
    {
        var test = Block(false, Batch, Length);
        test.Run(new StateShapes());
        byte[] once = OnnxWriter.ToBytes(test.Model);
        Assert.IsEmpty(test.Run(new StateShapes()).Edits);
        CollectionAssert.AreEqual(once, OnnxWriter.ToBytes(test.Model));
    }

    private static int JoinedIn(Model model) => OptimizedModel.OpTypes(model, GraphOptimizationLevel.ORT_ENABLE_ALL).Count(o => o == "SkipLayerNormalization");

    /// <summary>Attention of x to itself behind a table of positions, added to what it read and normalized: in the table's part of computed length ONNX Runtime loses the symbols.</summary>
    private static TestModel Block(bool decomposed, Dimension batch, Dimension length, string change = "")
    {
        var test = new TestModel(17);
        var type = new TensorType(DataType.Float, new Shape(batch, length, Channels));
        var x = test.Graph.AddInput("x", type);
        var end = test.Node("Slice", [test.Node("Shape", [x]), test.Ints(1), test.Ints(2)]);
        var positions = test.Node("Slice", [test.Weight("positions", 1, 32, Channels), test.Ints(0), end, test.Ints(1)]);
        var placed = test.Node("Add", [x, positions]);
        var heads = test.Node("Transpose", [test.Node("Reshape", [placed, test.Ints(0, 0, 4, Channels / 4)])], NodeAttribute.Of("perm", [0L, 2, 1, 3]));
        var keys = test.Node("Transpose", [heads], NodeAttribute.Of("perm", [0L, 1, 3, 2]));
        var mixed = test.Node("MatMul", [test.Node("Softmax", [test.Node("MatMul", [heads, keys])]), heads]);
        var joined = test.Node("Reshape", [test.Node("Transpose", [mixed], NodeAttribute.Of("perm", [0L, 2, 1, 3])), test.Ints(0, 0, Channels)]);
        var product = test.Node("Add", [test.Node("MatMul", [joined, test.Weight("w", Channels, Channels)]), test.Weight("bias", Channels)]);
        var sum = test.Node("Add", [product, change == "two inputs" ? test.Node("Relu", [test.Graph.AddInput("other", type)]) : placed]);
        var gain = test.Weight("gain", change.EndsWith("one gain", StringComparison.Ordinal) ? 1 : Channels);
        var shift = test.Weight("shift", change == "shift for all" ? 1 : Channels);
        test.Output(decomposed ? Decomposed(test, sum, gain, shift, change.EndsWith("axis 1", StringComparison.Ordinal) ? 1 : -1) : test.MultiNode("LayerNormalization", [sum, gain, shift], change == "mean as output" ? 2 : 1).Outputs[0]!);
        return test;
    }

    private static Value Decomposed(TestModel test, Value x, Value gain, Value shift, long axis)
    {
        var axes = NodeAttribute.Of("axes", [axis]);
        var centred = test.Node("Sub", [x, test.Node("ReduceMean", [x], axes)]);
        var variance = test.Node("ReduceMean", [test.Node("Pow", [centred, test.Constant("two", Tensor.Float([], 2))])], axes);
        var deviation = test.Node("Sqrt", [test.Node("Add", [variance, test.Constant("epsilon", Tensor.Float([], 1e-5f))])]);
        return test.Node("Add", [test.Node("Mul", [test.Node("Div", [centred, deviation]), gain]), shift]);
    }
}
