using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization;
using ModelCompression.Tests.Passes.Pruning;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>Weights with an element near the largest binary32 number, such as masks: finite outputs stay finite.</summary>
[TestClass]
public sealed class EnormousWeightsTests
{
    /// <summary>The kernel would make NaN or infinities of finite outputs.</summary>
    [TestMethod]
    [DataRow(256, "a scale per block"), DataRow(250, "a scale per channel"), DataRow(249, "DequantizeLinear")]
    public void LargeModels_FoldThem(int k, string form)
    {
        var ordinary = Product(k, 1);
        WeightOnly.RunAsLarge(ordinary);
        Assert.IsTrue(ordinary.OpTypes().Any(o => o is "MatMulNBits" or "DequantizeLinear"), form);
        TestModel original = Product(k, 3e38f), actual = Product(k, 3e38f);
        var layer = WeightOnly.RunAsLarge(actual).Layers.Single();
        Assert.Contains("folded", layer.Action);
        Assert.Contains("integer kernel may overflow", layer.Reason);
        Assert.IsFalse(actual.OpTypes().Any(o => o is "MatMulNBits" or "DequantizeLinear"));
        AssertBothAreFinite(original, actual);
    }

    /// <summary>What multiplies a table of levels is a thousand times the scale; a scale rounded up makes infinity of the last code.</summary>
    [TestMethod]
    [DataRow(1e38f, QuantizationGranularity.Channel)]
    [DataRow(float.MinValue, QuantizationGranularity.Channel)]
    [DataRow(float.MinValue, QuantizationGranularity.Tensor)]
    public void SmallModels_TakePlainCodes(float element, QuantizationGranularity granularity)
    {
        TestModel original = Product(64, element), actual = Product(64, element);
        var layer = actual.Run(new QuantizeWeights(), WeightOnly.Options with { QuantizationGranularity = granularity }).Layers.Single();
        Assert.Contains("int8", layer.Action);
        AssertBothAreFinite(original, actual);
    }

    [TestMethod]
    [DataRow(QuantizationGranularity.Channel)]
    [DataRow(QuantizationGranularity.Tensor)]
    public void DequantizeLinearAsAskedFor_LeavesThemAsTheyAre(QuantizationGranularity granularity)
    {
        TestModel original = Product(64, 1e38f), actual = Product(64, 1e38f);
        var options = WeightOnly.Options with { QuantizationGranularity = granularity, QuantizationFormat = QuantizationFormat.Qdq };
        var layer = actual.Run(new QuantizeWeights(), options).Layers.Single();
        Assert.Contains("integer kernel may overflow", layer.Reason);
        Assert.AreEqual(layer.OriginalBytes, layer.CompressedBytes);
        AssertBothAreFinite(original, actual);
    }

    /// <summary>x · W, with one odd element.</summary>
    private static TestModel Product(int k, float element)
    {
        var model = new TestModel(13);
        var weight = model.Weight("w", k, 40);
        float[] elements = weight.Initializer!.AsSpan<float>().ToArray();
        elements[17] = element;
        weight.Graph.SetInitializer(weight, Tensor.Float([k, 40], elements));
        model.Output(model.Node("MatMul", [model.Input("x", 2, 3, k), weight]));
        return model;
    }

    private static void AssertBothAreFinite(TestModel original, TestModel actual)
    {
        var (expected, found) = (SmallNet.Run(original.Model), SmallNet.Run(actual.Model));
        Assert.IsTrue(expected.Any(e => Math.Abs(e) is > 1e36f and < float.PositiveInfinity), "the element matters");
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(float.IsFinite(expected[i]), float.IsFinite(found[i]));
    }
}
