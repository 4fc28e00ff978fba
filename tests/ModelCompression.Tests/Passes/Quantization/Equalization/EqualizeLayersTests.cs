using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Quantization.Equalization;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.Equalization;

/// <summary>The function stays, ranges meet in the middle, and what factors do not pass through is left alone with a reason.</summary>
[TestClass]
public sealed class EqualizeLayersTests
{
    /// <summary>Each weight is rounded once more, to 2^−24; sums of 36 products of factors up to 2^5 stay far below this share of the largest output.</summary>
    private const double Tolerance = 1e-5;

    private static readonly CompressionOptions CrossLayer = new() { Quantization = QuantizationMode.WeightOnly, Equalization = ModelCompression.Options.Equalization.CrossLayer };

    public static IEnumerable<object[]> Middles =>
    [
        ["Relu"], ["LeakyRelu"], ["PRelu"], ["MaxPool"], ["AveragePool"], ["Clip 0 6"], ["Clip -1 2"], ["Clip 0"], ["Add"], ["Identity"],
    ];

    [TestMethod]
    [DynamicData(nameof(Middles))]
    public void ConvolutionPair_KeepsTheFunctionAndMeetsInTheMiddle(string middle)
    {
        foreach (long opset in new[] { 9L, 13L, 21L })
        {
            var (before, after) = (Convolutions(middle, opset), Convolutions(middle, opset));
            var first = Weights(after, 0);
            var second = Weights(after, 1);
            double[] r1 = Ranges(first, 0), r2 = Ranges(second, 1);
            var log = after.Run(new EqualizeLayers(), CrossLayer);
            Assert.Contains(e => e.Applied, log.Edits, $"{middle}, opset {opset}: {string.Join("; ", log.Edits)}");
            double[] s1 = Ranges(Weights(after, 0), 0), s2 = Ranges(Weights(after, 1), 1);
            for (int c = 0; c < r1.Length; c++)
            {
                Assert.AreEqual(Math.Sqrt(r1[c] * r2[c]), s1[c], 1e-5 * s1[c]);
                Assert.AreEqual(s1[c], s2[c], 1e-5 * s1[c]);
            }

            QuantizeWeightsFormTests.AssertClose(before.Model, after.Model, Tolerance);
        }
    }

    [TestMethod]
    public void DepthwiseBetweenTwoLayers_GivesAllThreeTheGeometricMean()
    {
        var (before, after) = (Depthwise(), Depthwise());
        double[] r1 = Ranges(Weights(after, 0), 0), r2 = Ranges(Weights(after, 1), 0), r3 = Ranges(Weights(after, 2), 1);
        after.Run(new EqualizeLayers(), CrossLayer);
        double[] s1 = Ranges(Weights(after, 0), 0), s2 = Ranges(Weights(after, 1), 0), s3 = Ranges(Weights(after, 2), 1);
        for (int c = 0; c < r1.Length; c++)
        {
            double mean = Math.Cbrt(r1[c] * r2[c] * r3[c]);
            // Factors are final within 2^0.001 per pair.
            Assert.AreEqual(mean, s1[c], 3e-3 * mean);
            Assert.AreEqual(mean, s2[c], 3e-3 * mean);
            Assert.AreEqual(mean, s3[c], 3e-3 * mean);
        }

        QuantizeWeightsFormTests.AssertClose(before.Model, after.Model, Tolerance);
    }

    [TestMethod]
    [DataRow("gemm")]
    [DataRow("gemm, transB")]
    [DataRow("matmul")]
    [DataRow("conv, flatten, gemm")]
    [DataRow("conv, reshape, matmul")]
    [DataRow("grouped conv")]
    [DataRow("conv transpose")]
    public void OtherLayers_KeepTheFunctionAndAreEqualized(string name)
    {
        var (before, after) = (Other(name), Other(name));
        var log = after.Run(new EqualizeLayers(), CrossLayer);
        Assert.Contains(e => e.Applied, log.Edits, string.Join("; ", log.Edits));
        QuantizeWeightsFormTests.AssertClose(before.Model, after.Model, Tolerance);
    }

    [TestMethod]
    public void EqualizedLayers_LoseLessWithOneScalePerTensor()
    {
        var perTensor = CrossLayer with { QuantizationFormat = QuantizationFormat.Folded, QuantizationGranularity = QuantizationGranularity.Tensor };
        // Channels that one layer makes large and the next makes small again.
        var (plain, equalized) = (Depthwise(-1), Depthwise(-1));
        equalized.Run(new EqualizeLayers(), perTensor);
        equalized.Run(new QuantizeWeights(), perTensor);
        plain.Run(new QuantizeWeights(), perTensor);
        double before = Distance(Depthwise(-1).Model, plain.Model), after = Distance(Depthwise(-1).Model, equalized.Model);
        Assert.IsLessThan(before / 3, after, "Channels that differ by 2^6 waste up to six bits.");
    }

    [TestMethod]
    [DataRow("two consumers", "2 nodes use its output")]
    [DataRow("Sigmoid", "do not pass through")]
    [DataRow("output", "leaves the graph")]
    [DataRow("shared", "shared")]
    [DataRow("computed bounds", "not constant")]
    public void WhatFactorsDoNotPassThrough_IsLeftAlone(string middle, string reason)
    {
        var model = Refused(middle);
        byte[] before = OnnxWriter.ToBytes(model.Model);
        var log = model.Run(new EqualizeLayers(), CrossLayer);
        Assert.Contains(e => !e.Applied && e.Reason.Contains(reason, StringComparison.Ordinal), log.Edits, string.Join("; ", log.Edits));
        CollectionAssert.AreEqual(before, OnnxWriter.ToBytes(model.Model));
    }

    [TestMethod]
    public void ClipOfAStaticModel_IsLeftAlone()
    {
        var model = Convolutions("Clip 0 6", 13);
        var log = model.Run(new EqualizeLayers(), CrossLayer with { Quantization = QuantizationMode.Static });
        Assert.Contains(e => !e.Applied && e.Reason.Contains("bounds per channel", StringComparison.Ordinal), log.Edits);
        CollectionAssert.Contains(model.OpTypes(), "Clip");
    }

    [TestMethod]
    public void DeadChannels_StayFinite()
    {
        var model = Convolutions("Relu", 13);
        float[] elements = Weights(model, 0).AsSpan<float>().ToArray();
        elements.AsSpan(0, elements.Length / 8).Clear();
        elements[elements.Length / 8] = 1e-30f;
        elements.AsSpan((elements.Length / 8) + 1, (elements.Length / 8) - 1).Clear();
        model.Graph.SetInitializer(model.Graph.Nodes[0].Input(1)!, Tensor.Float(Weights(model, 0).Dims, elements));
        model.Run(new EqualizeLayers(), CrossLayer);
        foreach (float b in model.Graph.Nodes[0].Input(2)!.Initializer!.AsSpan<float>()) Assert.IsLessThan(1000f, Math.Abs(b));
    }

    private static TestModel Convolutions(string middle, long opset)
    {
        var m = new TestModel(opset);
        var x = m.Node("Conv", [m.Input("x", 1, 4, 9, 9), Uneven(m, 0, 8, 4, 3, 3), m.Weight("b1", 8)]);
        x.Type = null;
        string[] words = middle.Split(' ');
        x = words[0] switch
        {
            "Clip" => Clip(m, x, words, opset),
            "PRelu" => m.Node("PRelu", [x, m.Weight("slope", 8, 1, 1)]),
            "MaxPool" or "AveragePool" => m.Node(words[0], [x], NodeAttribute.Of("kernel_shape", 2, 2)),
            "Add" => m.Node("Relu", [m.Node("Add", [m.Weight("a", 1, 8, 1, 1), x])]),
            _ => m.Node(words[0], [x]),
        };
        m.Output(m.Node("Conv", [x, Uneven(m, 1, 5, 8, 3, 3), m.Weight("b2", 5)]));
        return m;
    }

    private static Value Clip(TestModel m, Value x, string[] words, long opset)
    {
        float[] bounds = [.. words.Skip(1).Select(w => float.Parse(w, System.Globalization.CultureInfo.InvariantCulture))];
        if (opset < 11) return m.Node("Clip", [x], [NodeAttribute.Of("min", bounds[0]), .. bounds.Skip(1).Select(b => NodeAttribute.Of("max", b))]);
        return m.Node("Clip", [x, .. bounds.Select((b, i) => m.Constant($"bound{i}", Tensor.Float([], b)))]);
    }

    private static TestModel Depthwise(int second = 1)
    {
        var m = new TestModel();
        var x = m.Node("Relu", [m.Node("Conv", [m.Input("x", 1, 4, 9, 9), Uneven(m, 0, 8, 4, 1, 1), m.Weight("b1", 8)])]);
        x = m.Node("Relu", [m.Node("Conv", [x, Uneven(m, 0, second, [8, 1, 3, 3]), m.Weight("b2", 8)], NodeAttribute.Of("group", 8L))]);
        m.Output(m.Node("Conv", [x, second > 0 ? Uneven(m, 1, 6, 8, 1, 1) : m.Weight("w", 6, 8, 1, 1)]));
        return m;
    }

    private static TestModel Other(string name)
    {
        var m = new TestModel();
        var x = name.Contains("conv", StringComparison.Ordinal) ? m.Input("x", 2, 4, 6, 6) : m.Input("x", 3, 20);
        switch (name)
        {
            case "gemm":
                x = m.Node("Relu", [m.Node("Gemm", [x, Uneven(m, 1, 20, 8), m.Weight("c", 8)], NodeAttribute.Of("alpha", 0.5f))]);
                m.Output(m.Node("Gemm", [x, Uneven(m, 0, 8, 10)]));
                break;
            case "gemm, transB":
                x = m.Node("Relu", [m.Node("Gemm", [x, Uneven(m, 0, 8, 20), m.Weight("c", 1, 8)], NodeAttribute.Of("transB", 1L), NodeAttribute.Of("beta", 2f))]);
                m.Output(m.Node("Gemm", [x, Uneven(m, 1, 10, 8), m.Weight("d", 10)], NodeAttribute.Of("transB", 1L)));
                break;
            case "matmul":
                x = m.Node("Relu", [m.Node("Add", [m.Node("MatMul", [x, Uneven(m, 1, 20, 8)]), m.Weight("c", 8)])]);
                m.Output(m.Node("MatMul", [x, Uneven(m, 0, 8, 10)]));
                break;
            case "conv, flatten, gemm":
                x = m.Node("Flatten", [m.Node("Relu", [m.Node("Conv", [x, Uneven(m, 0, 8, 4, 3, 3)])])]);
                m.Output(m.Node("Gemm", [x, m.Weight("w", 128, 5)]));
                break;
            case "conv, reshape, matmul":
                x = m.Node("Reshape", [m.Node("Relu", [m.Node("Conv", [x, Uneven(m, 0, 8, 4, 3, 3)])]), m.Ints(0, -1)]);
                m.Output(m.Node("MatMul", [x, m.Weight("w", 128, 5)]));
                break;
            case "grouped conv":
                x = m.Node("Relu", [m.Node("Conv", [x, Uneven(m, 0, 8, 2, 3, 3)], NodeAttribute.Of("group", 2L))]);
                m.Output(m.Node("Conv", [x, m.Weight("w", 12, 2, 3, 3)], NodeAttribute.Of("group", 4L)));
                break;
            default:
                x = m.Node("Relu", [m.Node("ConvTranspose", [x, Uneven(m, 1, 4, 8, 2, 2), m.Weight("b", 8)])]);
                m.Output(m.Node("ConvTranspose", [x, m.Weight("w", 8, 3, 2, 2)], NodeAttribute.Of("group", 2L)));
                break;
        }

        return m;
    }

    private static TestModel Refused(string middle)
    {
        var m = new TestModel();
        var w = m.Weight("w1", 8, 8, 3, 3);
        var x = m.Node("Conv", [m.Input("x", 1, 8, 9, 9), w]);
        var y = x;
        if (middle == "Sigmoid") y = m.Node("Sigmoid", [x]);
        if (middle == "two consumers") m.Output(m.Node("Relu", [x]));
        if (middle == "output") m.Output(x);
        if (middle == "computed bounds") y = m.Node("Clip", [x, m.Constant("low", Tensor.Float([], 0)), m.Input("high")]);
        m.Output(m.Node("Conv", [y, middle == "shared" ? w : m.Weight("w2", 5, 8, 3, 3)]));
        return m;
    }

    /// <summary>A weight whose channels along an axis differ by up to 2^6.</summary>
    private static Value Uneven(TestModel m, int axis, params long[] dims) => Uneven(m, axis, 1, dims);

    private static Value Uneven(TestModel m, int axis, int sign, long[] dims)
    {
        float[] elements = m.RandomTensor(dims).AsSpan<float>().ToArray();
        long inner = Tensor.CountElements(dims.AsSpan(axis + 1));
        for (int i = 0; i < elements.Length; i++) elements[i] *= (float)Math.Pow(2, sign * ((i / inner % dims[axis] * 5 % 7) - 3));
        return m.Constant("w", Tensor.Float(dims, elements));
    }

    private static Tensor Weights(TestModel model, int number) =>
        model.Graph.Nodes.Where(n => n.OpType is "Conv" or "Gemm" or "MatMul").ElementAt(number).Input(1)!.Initializer!;

    private static double[] Ranges(Tensor weight, int axis)
    {
        double[] ranges = new double[weight.Dims[axis]];
        long inner = Tensor.CountElements(weight.Dims[(axis + 1)..]);
        var elements = weight.AsSpan<float>();
        for (int i = 0; i < elements.Length; i++)
        {
            ref double range = ref ranges[i / inner % weight.Dims[axis]];
            range = Math.Max(range, Math.Abs(elements[i]));
        }

        return ranges;
    }

    private static double Distance(Model expected, Model actual)
    {
        using var one = Equivalence.Open(OnnxWriter.ToBytes(expected));
        using var two = Equivalence.Open(OnnxWriter.ToBytes(actual));
        var outputs = Equivalence.RunFirstThatWorks(one, ModelCompression.Runtime.SyntheticInputs.For(expected, seed: 3), out var sample)!;
        var pairs = FlatValue.Of(outputs[0].Value).Single().Reals.Zip(FlatValue.Of(two.Run(sample.Inputs)[0].Value).Single().Reals);
        return Math.Sqrt(pairs.Sum(p => (p.First - p.Second) * (p.First - p.Second)));
    }
}
