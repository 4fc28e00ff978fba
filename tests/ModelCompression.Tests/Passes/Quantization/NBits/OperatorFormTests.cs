using Microsoft.ML.OnnxRuntime;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Quantization.NBits;
using ModelCompression.Passes.Simplification;
using ModelCompression.Tests.Passes.Pruning;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.NBits;

/// <summary>Forms with operators that a runtime has for n-bit weights, against the same model with weights restored from the codes one by one.</summary>
[TestClass]
public sealed class OperatorFormTests
{
    private static readonly QuantizationScheme[] Schemes = [QuantizationScheme.Symmetric, QuantizationScheme.Asymmetric, QuantizationScheme.PowerOfTwo];

    public static IEnumerable<object[]> Cases =>
        from c in WeightCase.All
        from format in new[] { QuantizationFormat.Qdq, QuantizationFormat.MatMulNBits, QuantizationFormat.Auto }
        // Auto also rounds biases, which other tests look at.
        where format != QuantizationFormat.Auto || !(c.Name.StartsWith("conv", StringComparison.Ordinal) || c.Name.StartsWith("gemm", StringComparison.Ordinal))
        from bits in new[] { 2, 3, 4, 8 }
        select new object[] { c.Name, format, bits };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Outputs_AreThoseOfTheRestoredWeights(string name, QuantizationFormat format, int bits)
    {
        var weights = WeightCase.All.Single(c => c.Name == name);
        foreach (var scheme in Schemes)
        {
            foreach (var granularity in Enum.GetValues<QuantizationGranularity>())
            {
                if (format == QuantizationFormat.MatMulNBits && granularity == QuantizationGranularity.Tensor) continue;
                var options = new CompressionOptions
                {
                    Quantization = QuantizationMode.WeightOnly,
                    QuantizationFormat = format,
                    WeightBits = bits,
                    QuantizationScheme = scheme,
                    QuantizationGranularity = granularity,
                    BlockSize = 16,
                    ActivationBits = 16,
                };
                if (!NBitRules.Apply(options)) continue;
                var expected = new TestModel(21, 10);
                var actual = new TestModel(21, 10);
                weights.Build(expected);
                weights.Build(actual);

                var log = actual.Run(new QuantizeWeights(), options);

                var unchanged = log.Layers.Where(l => l.Action == "unchanged").ToArray();
                Assert.IsEmpty(unchanged.Where(l => l.OriginalBytes > 2500).Select(l => $"{l.Weight}: {l.Reason}"), $"{scheme} {granularity}");
                if (unchanged.Length == 0 && format == QuantizationFormat.Qdq) Assert.AreEqual(bits is 4 or 8, actual.OpTypes().Contains("DequantizeLinear"));
                RestoredNBits.Apply(expected.Model, options, unchanged.Select(l => l.Weight));
                QuantizeWeightsFormTests.AssertClose(expected.Model, actual.Model);
            }
        }
    }

    [TestMethod]
    [DataRow("matmul", 4, "MatMulNBits")]
    [DataRow("matmul", 8, "MatMulNBits")]
    [DataRow("matmul", 2, "MatMulNBits")]
    [DataRow("gemm", 4, "MatMulNBits")]
    [DataRow("gemm, transB", 4, "MatMulNBits")]
    [DataRow("gather", 4, "GatherBlockQuantized")]
    [DataRow("gather", 8, "GatherBlockQuantized")]
    public void OwnOperators_TakeTheConsumersPlace(string name, int bits, string opType)
    {
        foreach (long opset in new[] { 11L, 21L })
        {
            var model = new TestModel(opset);
            WeightCase.All.Single(c => c.Name == name).Build(model);
            var log = model.Run(new QuantizeWeights(), new() { Quantization = QuantizationMode.WeightOnly, QuantizationFormat = QuantizationFormat.MatMulNBits, WeightBits = bits, QuantizationScheme = QuantizationScheme.Asymmetric });
            var node = model.Graph.Nodes.Single(n => n.OpType == opType);
            Assert.AreEqual("com.microsoft", node.Domain);
            Assert.AreEqual(1, model.Model.OpsetImports["com.microsoft"]);
            Assert.EndsWith("_out0", model.Graph.Outputs[0].Name);
            Assert.Contains(opType, log.Layers[0].Action);
            if (opType == "MatMulNBits") Assert.AreEqual(4, node.GetInt("accuracy_level", 0));
        }
    }

    /// <summary>
    /// The kernel that rounds activations to 8 bits packs constant codes with their scales when a session is created. Scales in 8 or 16 bits are unpacked by nodes, which are constants only where
    /// graph optimizations fold them; the clean-up of a second run must not undo what makes both ways right.
    /// </summary>
    [TestMethod]
    [DataRow(96, QuantizationScheme.Symmetric, 4)]
    [DataRow(96, QuantizationScheme.Asymmetric, 8)]
    [DataRow(256, QuantizationScheme.Symmetric, 2)]
    [DataRow(256, QuantizationScheme.Asymmetric, 4)]
    public void MatMulNBitsOnIntegers_IsRightAtEveryOptimizationLevel(int k, QuantizationScheme scheme, int bits)
    {
        var options = new CompressionOptions { Quantization = QuantizationMode.WeightOnly, QuantizationFormat = QuantizationFormat.MatMulNBits, WeightBits = bits, BlockSize = 16, QuantizationScheme = scheme };
        var expected = Product();
        var actual = Product();
        RestoredNBits.Apply(expected.Model, options, []);
        actual.Run(new QuantizeWeights(), options);
        Assert.AreEqual(4, actual.Graph.Nodes.Single(n => n.OpType == "MatMulNBits").GetInt("accuracy_level", 0));
        float[] weight = expected.Graph.Initializers.Single(v => v.Name.StartsWith('w')).Initializer!.AsSpan<float>().ToArray();
        float[] wanted = SmallNet.Run(expected.Model);

        AssertRight("as written");
        new SimplificationPipeline().Run(actual.Model, new CompressionSettings(new CompressionOptions()), new PassLog());
        AssertRight("cleaned up again");

        void AssertRight(string when)
        {
            foreach (var level in Enum.GetValues<GraphOptimizationLevel>())
            {
                float[] found = SmallNet.Run(actual.Model, level);
                // An activation is off by half a step of its block at most: 1/254 of its largest one, which is below 6 here.
                for (int i = 0; i < wanted.Length; i++)
                    Assert.AreEqual(wanted[i], found[i], 6f / 254 * Enumerable.Range(0, k).Sum(row => Math.Abs(weight[(row * 24) + (i % 24)])), $"{when}, {level}, {i}");
            }
        }

        TestModel Product()
        {
            var model = new TestModel(13);
            model.Output(model.Node("MatMul", [model.Input("x", 3, k), model.Weight("w", k, 24)]));
            return model;
        }
    }

    [TestMethod]
    public void WeightThatProductsReadBothWays_IsFolded_SinceCodesHaveOneLayout()
    {
        var expected = Shared(out _);
        var model = Shared(out var weight);
        var log = model.Run(new QuantizeWeights(), new() { Quantization = QuantizationMode.WeightOnly, QuantizationFormat = QuantizationFormat.MatMulNBits, QuantizationGranularity = QuantizationGranularity.Block });

        Assert.IsFalse(model.Graph.Nodes.Any(n => n.OpType == "MatMulNBits"));
        Assert.AreEqual("folded: its consumers sum over different axes", log.Layers.Single(l => l.Weight == weight).Reason);
        QuantizeWeightsFormTests.AssertClose(expected.Model, model.Model, relative: 0.05);

        static TestModel Shared(out string weight)
        {
            var model = new TestModel(13);
            var w = model.Weight("w", 64, 64);
            weight = w.Name;
            model.Output(model.Node("Gemm", [model.Node("MatMul", [model.Input("x", 3, 64), w]), w], NodeAttribute.Of("transB", 1)));
            return model;
        }
    }

    /// <summary>Unpacks the stored bytes as the operator's specification says, without the runtime.</summary>
    [TestMethod]
    [DataRow(2, QuantizationScheme.Symmetric)]
    [DataRow(4, QuantizationScheme.Symmetric)]
    [DataRow(4, QuantizationScheme.Asymmetric)]
    [DataRow(8, QuantizationScheme.Asymmetric)]
    public void MatMulNBits_StoresWhatItsSpecificationSays(int bits, QuantizationScheme scheme)
    {
        const int k = 70, n = 9, block = 16, blocks = 5;
        var model = new TestModel(21);
        var weight = model.Weight("w", k, n);
        float[] original = weight.Initializer!.AsSpan<float>().ToArray();
        model.Output(model.Node("MatMul", [model.Input("x", 4, k), weight]));
        model.Run(new QuantizeWeights(), new() { Quantization = QuantizationMode.WeightOnly, QuantizationFormat = QuantizationFormat.MatMulNBits, WeightBits = bits, BlockSize = block, QuantizationScheme = scheme });
        var node = model.Graph.Nodes.Single(m => m.OpType == "MatMulNBits");
        var b = node.Input(1)!.Producer!.Input(0)!.Initializer!;
        CollectionAssert.AreEqual(new long[] { n, blocks, block * bits / 8 }, b.Dims.ToArray());
        // 45 scales are kept as binary16 and widened.
        var scales = node.Input(2)!.Producer!.Input(0)!.Initializer!.AsSpan<Half>();
        var zeros = node.Input(3)?.Initializer;
        Assert.AreEqual(scheme == QuantizationScheme.Asymmetric, zeros is not null);
        double error = 0, energy = 0;
        for (int column = 0; column < n; column++)
        {
            for (int row = 0; row < k; row++)
            {
                int at = row / block;
                int code = Code(b.AsSpan<byte>().Slice(((column * blocks) + at) * block * bits / 8, block * bits / 8), row % block);
                int zero = zeros is null ? 1 << (bits - 1) : Code(zeros.AsSpan<byte>().Slice(column * (int)zeros.Dims[1], (int)zeros.Dims[1]), at);
                double value = (code - zero) * (double)(float)scales[(column * blocks) + at];
                error += Math.Pow(value - original[(row * n) + column], 2);
                energy += Math.Pow(original[(row * n) + column], 2);
            }
        }

        // Uniform elements lose at most a step of the range over √12 each.
        double limit = Math.Pow(2.0 / ((1 << bits) - 1), 2) / 12 / (1.0 / 3);
        Assert.IsLessThan(1.2 * limit, error / energy);

        int Code(ReadOnlySpan<byte> packed, int i) => (packed[i * bits / 8] >> (i * bits % 8)) & ((1 << bits) - 1);
    }
}
