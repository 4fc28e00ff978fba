using ModelCompression.Data;
using ModelCompression.Gradients;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;

namespace ModelCompression.Tests.Gradients;

[TestClass]
public sealed class GradientEmitterTests
{
    [TestMethod]
    [DataRow(0f)]
    [DataRow(6f)]
    [DataRow(-0.1f)]
    [DataRow(1e-10f)]
    [DataRow(12345.678f)]
    // Compared by two operators.
    [DataRow(1e-30f)]
    [DataRow(1e30f)]
    public void Masks_TellNeighboursOfTheThresholdApart(float threshold)
    {
        float next = threshold == 0 ? 1.17549435e-38f : MathF.BitIncrement(threshold), before = threshold == 0 ? -1.17549435e-38f : MathF.BitDecrement(threshold);
        float[] values = [threshold, next, before, threshold + 1, threshold - 1, float.MaxValue, -float.MaxValue, threshold * 2, -threshold, 0];
        var (greater, less) = Masks(values, threshold);
        CollectionAssert.AreEqual(values.Select(v => v > threshold ? 1f : 0).ToArray(), greater);
        CollectionAssert.AreEqual(values.Select(v => v < threshold ? 1f : 0).ToArray(), less);
    }

    private static (float[] Greater, float[] Less) Masks(float[] values, float threshold)
    {
        using var model = new Model(new OnnxGraph("masks")) { IrVersion = 8 };
        model.OpsetImports[""] = 13;
        var type = new TensorType(DataType.Float, Shape.Of(values.Length));
        var x = model.Graph.AddInput("x", type);
        var emit = new GradientEmitter(model.Graph, 13);
        foreach (var mask in new[] { emit.MaskGreater(x, threshold), emit.MaskLess(x, threshold) })
        {
            mask.Type = type;
            model.Graph.AddOutput(mask);
        }

        using var session = ModelSession.Open(OnnxWriter.ToBytes(model), "masks", SessionSettings.Default, ModelRole.Original);
        var outputs = session.Run([new NamedValue("x", new TensorValue(Tensor.Float([values.Length], values)))]);
        return (Elements(outputs[0]), Elements(outputs[1]));
    }

    private static float[] Elements(NamedValue value) => ((TensorValue)value.Value).Tensor.AsSpan<float>().ToArray();
}
