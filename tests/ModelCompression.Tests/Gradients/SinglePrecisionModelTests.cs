using ModelCompression.Data;
using ModelCompression.Gradients;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Gradients;

[TestClass]
public sealed class SinglePrecisionModelTests
{
    [TestMethod]
    public void Binary32_IsTakenAsItIs()
    {
        using var blobs = new Blobs();
        using var view = SinglePrecisionModel.Of(blobs.Model, [blobs.Model.Graph.Initializers[0]]);
        Assert.AreSame(blobs.Model, view.Model);
        Assert.AreSame(blobs.Model.Graph.Initializers[0], view.Weights[0]);
    }

    /// <summary>Constants of nodes and of branches, element types in attributes, inputs; masks of the largest number stay finite.</summary>
    [TestMethod]
    [DataRow(DataType.Float16)]
    [DataRow(DataType.Double)]
    public void OtherTypes_AreConvertedWhereverTheyStand(DataType type)
    {
        using var original = Net(type);
        var weight = original.Graph.Initializers.Single(i => i.Name == "w");
        using var view = SinglePrecisionModel.Of(original, [weight]);

        Assert.AreNotSame(original, view.Model);
        Assert.AreEqual(type, weight.Initializer!.DataType);
        Assert.AreEqual(DataType.Float, view.Weights[0].Initializer!.DataType);
        CollectionAssert.AreEqual(FloatElements.AsFloat(weight.Initializer).AsSpan<float>().ToArray(), view.Weights[0].Initializer!.AsSpan<float>().ToArray());
        Assert.AreEqual(type == DataType.Double ? float.MinValue : -65504, view.Model.Graph.Initializers.Single(i => i.Name == "mask").Initializer!.AsSpan<float>()[0]);
        double[] expected = Run(original, type), actual = Run(view.Model, type);
        // At most ten sums and products below 4, each rounded to eleven bits, or to 24.
        double tolerance = 10 * 4 * Math.Pow(2, type == DataType.Float16 ? -11 : -24);
        Assert.HasCount(8, expected);
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], tolerance);
    }

    /// <summary>Beside binary16 weights, binary64 is for sizes.</summary>
    [TestMethod]
    public void Doubles_StayBesideHalves()
    {
        using var model = Net(DataType.Float16);
        var sizes = model.Graph.AddInitializer("sizes", Tensor.Create(DataType.Double, [1], [0.1]));
        using var view = SinglePrecisionModel.Of(model, [model.Graph.Initializers.Single(i => i.Name == "w")]);
        Assert.AreEqual(0.1, view.Model.Graph.Initializers.Single(i => i.Name == sizes.Name).Initializer!.AsSpan<double>()[0]);
    }

    /// <summary>y = (if the condition holds: x·w + c, else x·w) + fill, in x's type, plus a mask that shows where it is not.</summary>
    private static Model Net(DataType type)
    {
        var m = new TestModel();
        Tensor Of(params double[] values) => FloatingPointData.Write(type, [values.Length], values);
        var weight = m.Constant("w", FloatingPointData.Write(type, [4, 4], FloatingPointData.Read(m.RandomTensor(4, 4))));
        var product = m.Node("MatMul", [m.Input("x", type, 2, 4), weight]);
        var then = m.Subgraph("then");
        then.Output(then.Node("Add", [product, then.Node("Constant", [], NodeAttribute.Of("value", Of(0.75)))]));
        var otherwise = m.Subgraph("otherwise");
        otherwise.Output(otherwise.Node("Identity", [product]));
        foreach (var branch in new[] { then, otherwise }) branch.Graph.Outputs[0].Type = new TensorType(type, null);
        var chosen = m.Node("If", [m.Input("c", DataType.Bool)], NodeAttribute.Of("then_branch", then.Graph), NodeAttribute.Of("else_branch", otherwise.Graph));
        var filled = m.Node("Add", [chosen, m.Node("ConstantOfShape", [m.Ints(1)], NodeAttribute.Of("value", Of(0.5)))]);
        var mask = m.Constant("mask", Of(type == DataType.Double ? -1.7e308 : -65504));
        var masked = m.Node("Where", [m.Node("Less", [filled, mask]), mask, m.Node("Cast", [m.Node("Cast", [filled], NodeAttribute.Of("to", (long)DataType.Float))], NodeAttribute.Of("to", (long)type))]);
        masked.Type = new TensorType(type, Shape.Of(2, 4));
        m.Output(masked);
        return m.Model;
    }

    private static double[] Run(Model model, DataType type)
    {
        using var session = Equivalence.Open(OnnxWriter.ToBytes(model));
        var x = FloatingPointData.Write(type, [2, 4], [0.5, -0.25, 0.125, 1, 0.75, 0.5, -1, 0.25]);
        var outputs = session.Run([new("x", new TensorValue(x)), new("c", new TensorValue(Tensor.Create(DataType.Bool, [], [true])))]);
        return FloatingPointData.Read(((TensorValue)outputs.Single().Value).Tensor);
    }
}
