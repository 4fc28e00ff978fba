using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Analysis;

[TestClass]
public sealed class OperatorViewTests
{
    [TestMethod]
    public void Conv_WithoutAttributes_HasDefaultsAndTheKernelOfItsWeight()
    {
        var model = GraphFixture.NewModel();
        var y = model.Add("Conv", [model.Input("x", 1, 8, 16, 16), model.Floats("w", 12, 2, 3, 5)], NodeAttribute.Of("group", 4));

        Assert.IsTrue(ConvView.TryFrom(y.Producer!, out var conv));
        CollectionAssert.AreEqual(new long[] { 3, 5 }, conv.Window.Kernel.ToArray());
        CollectionAssert.AreEqual(new long[] { 1, 1 }, conv.Window.Strides.ToArray());
        CollectionAssert.AreEqual(new long[] { 0, 0, 0, 0 }, conv.Window.Pads.ToArray());
        Assert.AreEqual((4, 12, 8, false), (conv.Group, conv.OutputChannels, conv.InputChannels, conv.IsDepthwise));
        Assert.IsNull(conv.Bias);
    }

    [TestMethod]
    [DataRow("SAME_UPPER", 0, 1)]
    [DataRow("SAME_LOWER", 1, 0)]
    [DataRow("VALID", 0, 0)]
    public void Conv_AutoPad_GivesPadsForASize(string autoPad, long begin, long end)
    {
        var model = GraphFixture.NewModel();
        var y = model.Add("Conv", [model.Input("x", 1, 1, 8, 8), model.Floats("w", 1, 1, 3, 3)], NodeAttribute.Of("auto_pad", autoPad), NodeAttribute.Of("strides", 2L, 2));

        Assert.IsTrue(ConvView.TryFrom(y.Producer!, out var conv));
        Assert.AreEqual((begin, end), conv.Window.PadsFor(0, 8));
    }

    [TestMethod]
    public void Conv_WeightOfUnknownShapeOrWrongKernel_IsNoView()
    {
        var model = GraphFixture.NewModel();
        var x = model.Input("x", 1, 8, 16, 16);
        Assert.IsFalse(ConvView.TryFrom(model.Add("Conv", [x, model.Input("w", "M", 8, 3, 3)]).Producer!, out _));
        Assert.IsFalse(ConvView.TryFrom(model.Add("Conv", [x, model.Floats("v", 8, 8, 3, 3)], NodeAttribute.Of("kernel_shape", 5L, 5)).Producer!, out _));
        Assert.IsFalse(ConvView.TryFrom(model.Add("Conv", [x, model.Floats("u", 9, 4, 3, 3)], NodeAttribute.Of("group", 2)).Producer!, out _));
    }

    [TestMethod]
    public void ConvTranspose_ReadsItsOwnWeightLayout()
    {
        var model = GraphFixture.NewModel();
        var y = model.Add("ConvTranspose", [model.Input("x", 1, 6, 4, 4), model.Floats("w", 6, 5, 2, 2)], NodeAttribute.Of("group", 3), NodeAttribute.Of("output_padding", 1L, 0));

        Assert.IsTrue(ConvTransposeView.TryFrom(y.Producer!, out var conv));
        Assert.AreEqual((6, 15), (conv.InputChannels, conv.OutputChannels));
        CollectionAssert.AreEqual(new long[] { 1, 0 }, conv.OutputPadding.ToArray());
    }

    [TestMethod]
    public void Gemm_AndMatMul_StateTheirAxes()
    {
        var model = GraphFixture.NewModel();
        var a = model.Input("a", 2, 3);
        Assert.IsTrue(GemmView.TryFrom(model.Add("Gemm", [a, model.Floats("b", 4, 3)], NodeAttribute.Of("transB", 1), NodeAttribute.Of("alpha", 0.5f)).Producer!, out var gemm));
        Assert.AreEqual((0.5f, 1f, false, true, 1, 0), (gemm.Alpha, gemm.Beta, gemm.TransA, gemm.TransB, gemm.ReductionAxisOfB, gemm.ChannelAxisOfB));
        Assert.IsTrue(MatMulView.TryFrom(model.AddMicrosoft("FusedMatMul", [a, model.Floats("c", 4, 3)], NodeAttribute.Of("transB", 1)).Producer!, out var fused));
        Assert.IsTrue(fused.TransB);
        Assert.IsTrue(MatMulView.TryFrom(model.Add("MatMul", [a, model.Floats("d", 3, 4)], NodeAttribute.Of("transB", 1)).Producer!, out var plain));
        Assert.IsFalse(plain.TransB, "MatMul has no such attribute");
    }

    [TestMethod]
    [DataRow("training_mode", 1L, false, true)]
    [DataRow("training_mode", 0L, true, true)]
    [DataRow("spatial", 0L, true, false)]
    public void BatchNormalization_KnowsItsMode(string attribute, long value, bool isInference, bool isSpatial)
    {
        var model = GraphFixture.NewModel();
        var c = model.Floats("c", 4);
        var y = model.Add("BatchNormalization", [model.Input("x", 1, 4, 5), c, c, c, c], NodeAttribute.Of(attribute, value));

        Assert.IsTrue(BatchNormalizationView.TryFrom(y.Producer!, out var view));
        Assert.AreEqual((isInference, isSpatial, 1e-5f), (view.IsInference, view.IsSpatial, view.Epsilon));
    }

    [TestMethod]
    public void BatchNormalization_WithStatisticsAsOutputs_IsTraining()
    {
        var model = GraphFixture.NewModel(9);
        var c = model.Floats("c", 4);
        var node = model.Graph.AddNode("BatchNormalization", [model.Input("x", 1, 4, 5), c, c, c, c], ["y", "mean", "var", "m", "v"]);

        Assert.IsTrue(BatchNormalizationView.TryFrom(node, out var view));
        Assert.IsFalse(view.IsInference);
    }

    [TestMethod]
    public void Lstm_TakesHiddenSizeFromTheRecurrence()
    {
        var model = GraphFixture.NewModel();
        Value?[] inputs = [model.Input("x", "T", 1, 10), model.Floats("w", 2, 32, 10), model.Floats("r", 2, 32, 8), null, null, null, null, model.Floats("p", 2, 24)];
        var y = model.Add("LSTM", inputs, NodeAttribute.Of("direction", "bidirectional"));

        Assert.IsTrue(LstmView.TryFrom(y.Producer!, out var lstm));
        Assert.AreEqual((8, 2, 4, false), (lstm.HiddenSize, lstm.DirectionCount, lstm.GateCount, lstm.IsBatchFirst));
        Assert.IsNotNull(lstm.Peephole);
        Assert.IsEmpty(lstm.Activations);
        Assert.IsFalse(GruView.TryFrom(y.Producer!, out _));
    }

    [TestMethod]
    public void Gather_NegativeAxis_IsNormalized()
    {
        var model = GraphFixture.NewModel();
        var y = model.Add("Gather", [model.Floats("table", 10, 4), model.Input("ids", DataType.Int64, "N")], NodeAttribute.Of("axis", -2));
        Assert.IsTrue(GatherView.TryFrom(y.Producer!, out var gather));
        Assert.AreEqual(0, gather.Axis);
    }

    [TestMethod]
    public void Pool_Global_HasNoWindow()
    {
        var model = GraphFixture.NewModel();
        var x = model.Input("x", 1, 4, 8, 8);
        Assert.IsTrue(PoolView.TryFrom(model.Add("GlobalAveragePool", [x]).Producer!, out var all));
        Assert.IsTrue(all.IsGlobal);
        Assert.IsTrue(PoolView.TryFrom(model.Add("MaxPool", [x], NodeAttribute.Of("kernel_shape", 2L, 2), NodeAttribute.Of("ceil_mode", 1)).Producer!, out var max));
        Assert.AreEqual((PoolKind.Max, true), (max.Kind, max.CeilMode));
        Assert.IsFalse(PoolView.TryFrom(model.Add("MaxPool", [x]).Producer!, out _), "kernel_shape is required");
    }
}
