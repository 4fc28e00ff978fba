using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization;
using ModelCompression.Tests.Passes.Pruning;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>Weights of Gemm in large models as MatMulNBits, against weights restored by an independent computation.</summary>
[TestClass]
public sealed class ProductBlocksGemmTests
{
    private const int BatchSize = 3;

    public static IEnumerable<object[]> Cases =>
        from size in new (int K, int N, int Block)[] { (256, 40, 128), (64, 33, 64), (300, 7, 16), (65 * 64, 35, 128) }
        from transB in new[] { false, true }
        from scheme in new[] { QuantizationScheme.Symmetric, QuantizationScheme.Asymmetric }
        from granularity in new[] { QuantizationGranularity.Channel, QuantizationGranularity.Tensor }
        select new object[] { size.K, size.N, size.Block, transB, scheme, granularity };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Outputs_AreThoseOfTheRestoredWeights(int k, int n, int block, bool transB, QuantizationScheme scheme, QuantizationGranularity granularity)
    {
        var expected = Layer(k, n, transB, [n]);
        var actual = Layer(k, n, transB, [n]);
        bool isSymmetric = scheme == QuantizationScheme.Symmetric, isPerTensor = granularity == QuantizationGranularity.Tensor;
        bool hasOwnScales = isSymmetric && !isPerTensor && block >= 32 && k % block == 0;
        RestoredWeights.Apply(expected.Model, [isPerTensor ? [] : [transB ? 0 : 1]], isSymmetric, hasOwnScales ? block : 0);

        var layer = WeightOnly.RunAsLarge(actual, WeightOnly.Options with { QuantizationScheme = scheme, QuantizationGranularity = granularity }).Layers.Single(l => l.Bits == 8);

        Assert.EndsWith("MatMulNBits", layer.Action);
        var restored = expected.Graph.Initializers[0].Initializer!;
        Assert.AreEqual(restored.AsSpan<float>().ToArray().Count(w => w != 0), layer.NonZeroCount);
        var node = actual.Graph.Nodes.Single(v => v.OpType == "MatMulNBits");
        Assert.AreEqual(block, node.GetInt("block_size", 0));
        CollectionAssert.DoesNotContain(actual.OpTypes(), "Gemm");
        CollectionAssert.AreEqual(transB ? restored.AsSpan<float>().ToArray() : StoredProduct.Transpose(restored), StoredProduct.Unpack(node));
        Assert.AreEqual(expected.Graph.Outputs[0].Name, actual.Graph.Outputs[0].Name);
        AssertSameOutputs(expected, actual, k, n);
    }

    [TestMethod]
    [DataRow(false, null), DataRow(false, "40"), DataRow(false, "1,40"), DataRow(false, "3,1"), DataRow(false, "3,40"), DataRow(false, ""), DataRow(false, "1")]
    [DataRow(true, null), DataRow(true, "40"), DataRow(true, "1,40"), DataRow(true, "3,1"), DataRow(true, "3,40"), DataRow(true, ""), DataRow(true, "1")]
    public void SummandOfAnyShape_IsAdded(bool transB, string? dims)
    {
        long[]? shape = dims?.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(d => long.Parse(d, System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        var expected = Layer(128, 40, transB, shape);
        var actual = Layer(128, 40, transB, shape);
        RestoredWeights.Apply(expected.Model, [[transB ? 0 : 1]], symmetric: true, 128);

        WeightOnly.RunAsLarge(actual);

        CollectionAssert.Contains(actual.OpTypes(), "MatMulNBits");
        Assert.AreEqual(shape is not null, actual.OpTypes().Contains("Add"));
        AssertSameOutputs(expected, actual, 128, 40);
    }

    [TestMethod]
    [DataRow(QuantizationFormat.Auto, 8), DataRow(QuantizationFormat.MatMulNBits, 4)]
    public void Biases_AreReportedWithTheLayerTheyBelongTo(QuantizationFormat format, int bits)
    {
        var model = new TestModel();
        var node = model.Graph.AddNode("Gemm", [model.Input("x", BatchSize, 256), model.Weight("w", 256, 1200), model.Weight("b", 1200)], ["y"], name: "classifier");
        model.Output(node.Outputs[0]!);
        var log = WeightOnly.RunAsLarge(model, WeightOnly.Options with { QuantizationFormat = format, WeightBits = bits });
        CollectionAssert.Contains(model.OpTypes(), "MatMulNBits");
        CollectionAssert.AreEqual(new[] { "w Gemm classifier", "b Gemm classifier" }, log.Layers.Select(l => $"{l.Weight} {l.OpType} {l.Node}").ToArray());
    }

    [TestMethod]
    [DataRow("alpha"), DataRow("beta"), DataRow("transA")]
    public void FactorsAndTransposedInputs_KeepTheWeightFolded(string attribute)
    {
        TestModel Build()
        {
            var model = new TestModel();
            var x = attribute == "transA" ? model.Input("x", 128, BatchSize) : model.Input("x", BatchSize, 128);
            var value = attribute == "transA" ? NodeAttribute.Of(attribute, 1) : NodeAttribute.Of(attribute, 0.5f);
            model.Output(model.Node("Gemm", [x, model.Weight("w", 128, 40), model.Weight("b", 40)], value));
            return model;
        }

        var expected = Build();
        var actual = Build();

        var log = WeightOnly.RunAsLarge(actual);

        CollectionAssert.Contains(actual.OpTypes(), "Gemm");
        Assert.AreEqual("folded: Gemm is not a plain product with a matrix", log.Layers.Single(l => l.Weight == "w").Reason);
        ProductBlocksTests.AssertRightAtEveryLevel(SmallNet.Run(expected.Model), actual.Model, 128, 40);
    }

    [TestMethod]
    public void SummandThatIsMultipliedByNothing_DoesNotMatterWhereThereIsNone()
    {
        var model = new TestModel();
        model.Output(model.Node("Gemm", [model.Input("x", BatchSize, 128), model.Weight("w", 128, 40)], NodeAttribute.Of("beta", 0.5f)));
        WeightOnly.RunAsLarge(model);
        CollectionAssert.Contains(model.OpTypes(), "MatMulNBits");
    }

    /// <summary>ONNX Runtime has no kernel for DequantizeLinear and Gemm.</summary>
    [TestMethod]
    [DataRow(20, 13L), DataRow(128, 7L)]
    public void WeightsThatTheOperatorCannotTake_AreFolded(int k, long opset)
    {
        var model = Layer(k, 900, transB: true, [900], opset);
        WeightOnly.RunAsLarge(model);
        CollectionAssert.Contains(model.OpTypes(), "Gemm");
        CollectionAssert.DoesNotContain(model.OpTypes(), "DequantizeLinear");
        CollectionAssert.Contains(model.OpTypes(), "Mul");
    }

    [TestMethod]
    public void WeightOfSeveralProducts_IsStoredOnce_WhereAllReadItTheSameWay()
    {
        TestModel Build(bool transB)
        {
            var model = new TestModel();
            var weight = model.Weight("w", 128, 128);
            var product = model.Node("MatMul", [model.Input("x", BatchSize, 128), weight]);
            model.Output(model.Node("Gemm", [model.Node("Relu", [product]), weight, Summand(model, 128)], NodeAttribute.Of("transB", transB ? 1 : 0)));
            return model;
        }

        var expected = Build(transB: false);
        var actual = Build(transB: false);
        var crossed = Build(transB: true);
        RestoredWeights.Apply(expected.Model, [[1]], symmetric: true, 128);
        WeightOnly.RunAsLarge(actual);
        WeightOnly.RunAsLarge(crossed);
        Assert.AreEqual(2, actual.OpTypes().Count(o => o == "MatMulNBits"));
        Assert.AreEqual(1, actual.Graph.Initializers.Count(i => i.Initializer!.DataType == DataType.UInt8), "The codes are there once.");
        AssertSameOutputs(expected, actual, 128, 128);
        CollectionAssert.DoesNotContain(crossed.OpTypes(), "MatMulNBits");
    }

    [TestMethod]
    [DataRow(false), DataRow(true)]
    public void BinarySixteenWeights_AreMultipliedInBinary32(bool transB)
    {
        const int k = 256, n = 40;
        var expected = Layer(k, n, transB, [n]);
        foreach (var constant in expected.Graph.Initializers.ToArray())
            expected.Graph.SetInitializer(constant, Tensor.Float(constant.Initializer!.Dims, Array.ConvertAll(constant.Initializer.AsSpan<float>().ToArray(), w => (float)(Half)w)));
        var actual = new TestModel();
        Value Halves(Value value) => actual.Constant(value.Name, Tensor.Create<Half>(DataType.Float16, value.Initializer!.Dims, Array.ConvertAll(value.Initializer.AsSpan<float>().ToArray(), w => (Half)w)));
        var (weight, bias) = (Halves(expected.Graph.Initializers[0]), Halves(expected.Graph.Initializers[1]));
        var x = actual.Node("Cast", [actual.Input("x", BatchSize, k)], NodeAttribute.Of("to", (long)DataType.Float16));
        var y = actual.Node("Gemm", [x, weight, bias], NodeAttribute.Of("transB", transB ? 1 : 0));
        actual.Output(actual.Node("Cast", [y], NodeAttribute.Of("to", (long)DataType.Float)));
        RestoredWeights.Apply(expected.Model, [[transB ? 0 : 1]], symmetric: true, 128);

        WeightOnly.RunAsLarge(actual);

        CollectionAssert.Contains(actual.OpTypes(), "MatMulNBits");
        ProductBlocksTests.AssertRightAtEveryLevel(SmallNet.Run(expected.Model), actual.Model, k, n);
    }

    [TestMethod]
    [DataRow(false, QuantizationScheme.Symmetric), DataRow(false, QuantizationScheme.Asymmetric), DataRow(true, QuantizationScheme.Symmetric), DataRow(true, QuantizationScheme.Asymmetric)]
    public void Codes_AreTheSameForAnyNumberOfThreads(bool transB, QuantizationScheme scheme)
    {
        var model = Layer(1280, 330, transB, null);
        var plan = WeightOnly.FirstPlan(model, WeightOnly.Options with { QuantizationScheme = scheme }, fusedByteLength: 1);
        Assert.IsNotNull(plan.Product);

        var one = EncodedWeight.TryMake(plan, threads: 1)!;
        var two = EncodedWeight.TryMake(plan, threads: 2)!;

        CollectionAssert.AreEqual(one.Codes.AsSpan<byte>().ToArray(), two.Codes.AsSpan<byte>().ToArray());
        CollectionAssert.AreEqual(one.Scales, two.Scales);
        CollectionAssert.AreEqual(one.ZeroPoints, two.ZeroPoints);
        Assert.AreEqual(one.Noise, two.Noise);
        Assert.AreEqual(330 * 1280 / (scheme == QuantizationScheme.Symmetric ? 128 : 1280), one.Scales.Length);
        Assert.IsGreaterThan(0, one.Noise.Noise);
    }

    [TestMethod]
    [DataRow(false), DataRow(true)]
    public void PrunedWeights_AreStoredSparse(bool transB)
    {
        static TestModel Pruned(bool transB)
        {
            var model = Layer(256, 64, transB, null);
            var weight = model.Graph.Initializers[0];
            model.Graph.SetInitializer(weight, Tensor.Float(weight.Initializer!.Dims, Array.ConvertAll(weight.Initializer.AsSpan<float>().ToArray(), w => Math.Abs(w) < 0.9f ? 0 : w)));
            return model;
        }

        var expected = Pruned(transB);
        var actual = Pruned(transB);
        RestoredWeights.Apply(expected.Model, [[transB ? 0 : 1]], symmetric: true, 128);
        var log = WeightOnly.RunAsLarge(actual, WeightOnly.Options with { SparseStorage = SparseStorage.Bitmask });
        Assert.Contains("bitmask", log.Layers.Single().Action);
        AssertSameOutputs(expected, actual, 256, 64);
    }

    [TestMethod]
    public void LayersCountTogetherWithMatMul()
    {
        TestModel Build()
        {
            var model = new TestModel();
            var product = model.Node("MatMul", [model.Input("x", BatchSize, 128), model.Weight("a", 128, 64)]);
            model.Output(model.Node("Gemm", [product, model.Weight("b", 64, 64)]));
            return model;
        }

        var large = Build();
        var small = Build();
        const long both = ((128 * 64) + (64 * 64)) * sizeof(float);
        large.Run(new QuantizeWeights { FusedByteLength = both }, WeightOnly.Options);
        small.Run(new QuantizeWeights { FusedByteLength = both + 1 }, WeightOnly.Options);
        Assert.AreEqual(2, large.OpTypes().Count(o => o == "MatMulNBits"));
        Assert.AreEqual(0, small.OpTypes().Count(o => o == "MatMulNBits"));
    }

    /// <summary>Whoever looks for what a layer returns finds it under its name.</summary>
    [TestMethod]
    public void ValueBetweenLayers_KeepsItsName()
    {
        var model = new TestModel();
        var hidden = model.Node("Gemm", [model.Input("x", BatchSize, 128), model.Weight("a", 128, 64), model.Weight("c", 64)]);
        string name = hidden.Name;
        model.Output(model.Node("Relu", [hidden]));
        WeightOnly.RunAsLarge(model);
        Assert.AreEqual("Add", model.Graph.Nodes.Single(n => n.Outputs.Any(o => o?.Name == name)).OpType);
    }

    private static void AssertSameOutputs(TestModel expected, TestModel actual, int k, int n)
    {
        QuantizeWeightsFormTests.AssertClose(expected.Model, actual.Model);
        ProductBlocksTests.AssertRightAtEveryLevel(SmallNet.Run(expected.Model), actual.Model, k, n);
    }

    /// <summary>Numbers that binary16 has, as which summands are stored.</summary>
    private static Value Summand(TestModel model, params long[] dims) =>
        model.Constant("b", Tensor.Float(dims, Array.ConvertAll(model.RandomTensor(dims).AsSpan<float>().ToArray(), v => (float)(Half)v)));

    private static TestModel Layer(int k, int n, bool transB, long[]? summand, long opset = 13)
    {
        var model = new TestModel(opset);
        var weight = transB ? model.Weight("w", n, k) : model.Weight("w", k, n);
        Value?[] inputs = [model.Input("x", BatchSize, k), weight];
        if (summand is not null) inputs = [.. inputs, Summand(model, summand)];
        model.Output(model.Node("Gemm", inputs, NodeAttribute.Of("transB", transB ? 1 : 0)));
        return model;
    }
}
