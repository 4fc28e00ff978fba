using Microsoft.ML.OnnxRuntime;
using ModelCompression.Analysis;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Simplification;
using ModelCompression.Tests.Passes.Pruning;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>Matrices of large models as MatMulNBits, against weights restored by an independent computation.</summary>
[TestClass]
public sealed class ProductBlocksTests
{
    public static IEnumerable<object[]> Cases =>
        from size in new (int K, int N, int Block)[] { (768, 40, 128), (64, 33, 64), (160, 9, 32), (48, 70, 16), (300, 7, 16), (1000, 70, 16), (1040, 5, 32), (1008, 1, 16), (16, 70, 16), (65 * 64, 35, 128) }
        from scheme in new[] { QuantizationScheme.Symmetric, QuantizationScheme.Asymmetric }
        from granularity in new[] { QuantizationGranularity.Channel, QuantizationGranularity.Tensor }
        from opset in new[] { 8L, 13L, 21L }
        select new object[] { size.K, size.N, size.Block, scheme, granularity, opset };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Outputs_AreThoseOfTheRestoredWeights(int k, int n, int block, QuantizationScheme scheme, QuantizationGranularity granularity, long opset)
    {
        var expected = Product(k, n, opset);
        var actual = Product(k, n, opset);
        bool hasOwnScales = scheme == QuantizationScheme.Symmetric && granularity == QuantizationGranularity.Channel && block >= 32 && k % block == 0;
        RestoredWeights.Apply(expected.Model, [granularity == QuantizationGranularity.Tensor ? [] : [1]], scheme == QuantizationScheme.Symmetric, hasOwnScales ? block : 0);

        var log = WeightOnly.RunAsLarge(actual, WeightOnly.Options with { QuantizationScheme = scheme, QuantizationGranularity = granularity });

        var layer = log.Layers.Single();
        Assert.AreEqual($"weight-only {(scheme == QuantizationScheme.Symmetric ? "int8" : "uint8")} per {(hasOwnScales ? $"block of {block}" : granularity == QuantizationGranularity.Tensor ? "tensor" : "channel")}, MatMulNBits", layer.Action);
        Assert.AreEqual(expected.Graph.Initializers[0].Initializer!.AsSpan<float>().ToArray().Count(w => w != 0), layer.NonZeroCount);
        var node = actual.Graph.Nodes.Single(v => v.OpType == "MatMulNBits");
        Assert.AreEqual(block, node.GetInt("block_size", 0));
        Assert.AreEqual(1, actual.Model.OpsetImports["com.microsoft"]);
        Assert.AreEqual(expected.Graph.Outputs[0].Name, actual.Graph.Outputs[0].Name);
        // Without packing the kernel does not round activations.
        QuantizeWeightsFormTests.AssertClose(expected.Model, actual.Model);
        CollectionAssert.AreEqual(StoredProduct.Transpose(expected.Graph.Initializers[0].Initializer!), StoredProduct.Unpack(node));
        AssertRightAtEveryLevel(SmallNet.Run(expected.Model), actual.Model, k, n);
        new SimplificationPipeline().Run(actual.Model, new CompressionSettings(new CompressionOptions()), new PassLog());
        AssertRightAtEveryLevel(SmallNet.Run(expected.Model), actual.Model, k, n);
    }

    /// <summary>The product is computed in binary32 between two Casts; nothing is unpacked when a session is created.</summary>
    [TestMethod]
    [DataRow(QuantizationScheme.Symmetric), DataRow(QuantizationScheme.Asymmetric)]
    public void BinarySixteenWeights_AreMultipliedInBinary32(QuantizationScheme scheme)
    {
        const int k = 768, n = 40;
        var expected = Product(k, n, 13);
        var floats = expected.Graph.Initializers[0];
        Half[] halves = Array.ConvertAll(floats.Initializer!.AsSpan<float>().ToArray(), w => (Half)w);
        expected.Graph.SetInitializer(floats, Tensor.Float([k, n], Array.ConvertAll(halves, h => (float)h)));
        var actual = new TestModel(13);
        var weight = actual.Constant("w", Tensor.Create<Half>(DataType.Float16, [k, n], halves));
        var x = actual.Node("Cast", [actual.Input("x", 2, 3, k)], NodeAttribute.Of("to", (long)DataType.Float16));
        actual.Output(actual.Node("Cast", [actual.Node("MatMul", [x, weight])], NodeAttribute.Of("to", (long)DataType.Float)));
        RestoredWeights.Apply(expected.Model, [[1]], scheme == QuantizationScheme.Symmetric);

        // Its size counts as that of floats.
        var layer = actual.Run(new QuantizeWeights { FusedByteLength = k * n * sizeof(float) }, WeightOnly.Options with { QuantizationScheme = scheme }).Layers.Single();

        Assert.EndsWith("MatMulNBits", layer.Action);
        CollectionAssert.DoesNotContain(actual.OpTypes(), "MatMul");
        Assert.IsFalse(actual.Graph.Initializers.Any(i => i.Initializer!.DataType == DataType.Float16));
        AssertRightAtEveryLevel(SmallNet.Run(expected.Model), actual.Model, k, n);
        new SimplificationPipeline().Run(actual.Model, new CompressionSettings(new CompressionOptions()), new PassLog());
        AssertRightAtEveryLevel(SmallNet.Run(expected.Model), actual.Model, k, n);
    }

    /// <summary>Activations rounded to 8 bits per block, weights to 8 bits: 35 dB and more of a sum of many products.</summary>
    internal static void AssertRightAtEveryLevel(float[] wanted, Model model, int k, int n)
    {
        foreach (var level in Enum.GetValues<GraphOptimizationLevel>())
        {
            float[] found = SmallNet.Run(model, level);
            double signal = wanted.Sum(v => (double)v * v), noise = wanted.Zip(found, (a, b) => (double)(a - b) * (a - b)).Sum();
            Assert.IsLessThan(signal * 3e-4, noise, $"{level}, {k} × {n}");
        }
    }

    [TestMethod]
    public void Blocks_ThatWouldBeMuchFiller_AreNotUsed()
    {
        foreach (var (k, n) in new[] { (20, 900), (17, 900), (500, 20) })
        {
            var model = Product(k, n, 13);
            WeightOnly.RunAsLarge(model);
            CollectionAssert.Contains(model.OpTypes(), "DequantizeLinear", $"{k} × {n}");
        }
    }

    [TestMethod]
    [DataRow(32768, 32768, true), DataRow(32768, 32769, false), DataRow(32769, 32768, false)]
    public void Codes_OfMoreThanAGibibyte_AreLeftToDequantizeLinear(int k, int n, bool fits)
    {
        var model = new TestModel(13);
        var weight = model.Graph.AddInitializer("w", new Tensor(DataType.Float, [k, n], new Nothing(4L * k * n)));
        model.Output(model.Node("MatMul", [model.Input("x", 1, k), weight]));
        var site = WeightCatalog.Of(model.Model).Weights.Single();
        Assert.AreEqual(fits, ProductBlocks.TryMake(site, [1], GraphTarget.AllOf(model.Model)[model.Graph]) is not null);
    }

    [TestMethod]
    public void SmallModels_ComputeWithFloats()
    {
        var model = Product(256, 64, 13);
        model.Run(new QuantizeWeights(), WeightOnly.Options);
        CollectionAssert.DoesNotContain(model.OpTypes(), "MatMulNBits");
    }

    [TestMethod]
    public void PrunedWeights_AreStoredSparse()
    {
        var expected = Product(256, 64, 13, isPruned: true);
        var actual = Product(256, 64, 13, isPruned: true);
        RestoredWeights.Apply(expected.Model, [[1]], symmetric: true, 128);

        var log = WeightOnly.RunAsLarge(actual, WeightOnly.Options with { SparseStorage = SparseStorage.Bitmask });

        Assert.Contains("bitmask", log.Layers.Single().Action);
        Assert.IsLessThan(256 * 64 / 2, log.Layers.Single().CompressedBytes);
        QuantizeWeightsFormTests.AssertClose(expected.Model, actual.Model);
        AssertRightAtEveryLevel(SmallNet.Run(expected.Model), actual.Model, 256, 64);
    }

    [TestMethod]
    public void SharedWeight_IsReplacedEverywhere()
    {
        static TestModel Build()
        {
            var model = new TestModel(13);
            var x = model.Input("x", 3, 64);
            var weight = model.Weight("w", 64, 64);
            model.Output(model.Node("MatMul", [model.Node("Relu", [model.Node("MatMul", [x, weight])]), weight]));
            return model;
        }

        var expected = Build();
        var actual = Build();
        RestoredWeights.Apply(expected.Model, [[1]], symmetric: true);
        WeightOnly.RunAsLarge(actual);
        Assert.AreEqual(2, actual.OpTypes().Count(o => o == "MatMulNBits"));
        Assert.AreEqual(1, actual.Graph.Initializers.Count(i => i.Initializer!.DataType == DataType.UInt8), "The codes are there once.");
        QuantizeWeightsFormTests.AssertClose(expected.Model, actual.Model);
    }

    [TestMethod]
    [DataRow(1f), DataRow(1e-25f), DataRow(1e25f)]
    public void TransposedCodes_AreThoseOfTheMatrix_ForAnyNumberOfThreads(float unit)
    {
        var one = Tensor.Float([1040, 2100], Array.ConvertAll(Product(1040, 2100, 13).Graph.Initializers[0].Initializer!.AsSpan<float>().ToArray(), w => w * unit));
        var layout = ChannelLayout.Of(one.Dims, [1]);
        var maps = Enumerable.Range(0, 2100).Select(i => new AffineScale((0.01f + (i * 1e-5f)) * unit, 0)).ToArray();
        var codes = CodeRange.Symmetric(8);
        byte[] rows = new byte[1040 * 2100], again = new byte[rows.Length], plain = new byte[rows.Length];
        var noise = AffineQuantizer.QuantizeTransposed(one, layout, maps, codes, 0, rows, 1040, threads: 1);
        Assert.AreEqual(noise, AffineQuantizer.QuantizeTransposed(one, layout, maps, codes, 0, again, 1040, threads: 2));
        CollectionAssert.AreEqual(rows, again);
        var known = AffineQuantizer.Quantize(one, layout, maps, codes, plain);
        CollectionAssert.AreEqual(MatrixBytes.Transpose(plain, 1040, 2100), rows);
        Assert.IsGreaterThan(0, known.Noise);
        Assert.AreEqual(known.Noise, noise.Noise, known.Noise * 1e-6);
        Assert.AreEqual(known.Signal, noise.Signal, known.Signal * 1e-6);
    }

    private static TestModel Product(int k, int n, long opset, bool isPruned = false)
    {
        var model = new TestModel(opset);
        var weight = model.Weight("w", k, n);
        if (isPruned) weight.Graph.SetInitializer(weight, Tensor.Float([k, n], Array.ConvertAll(weight.Initializer!.AsSpan<float>().ToArray(), w => Math.Abs(w) < 0.9f ? 0 : w)));
        model.Output(model.Node("MatMul", [model.Input("x", 2, 3, k), weight]));
        return model;
    }

    /// <summary>Weights that nobody reads.</summary>
    private sealed class Nothing(long byteLength) : TensorData
    {
        private readonly byte[] none = [0];

        public override long ByteLength => byteLength;

        protected override ref readonly byte First => ref none[0];

        public override IEnumerable<ReadOnlyMemory<byte>> Blocks() => throw new NotSupportedException();
    }
}
