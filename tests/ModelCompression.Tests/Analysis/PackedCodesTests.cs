using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization;
using ModelCompression.Pipeline;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Analysis;

/// <summary>Parameters of models whose weights ONNX Runtime's operators take packed.</summary>
[TestClass]
public sealed class PackedCodesTests
{
    public static IEnumerable<object[]> Cases =>
        from bits in new[] { 2, 4, 8 }
        from scheme in new[] { QuantizationScheme.Symmetric, QuantizationScheme.Asymmetric }
        from k in new[] { 64, 76, 1016 }
        from fused in new[] { false, true }
        where !fused || (bits == 8 && k != 76)
        select new object[] { bits, scheme, k, fused };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Parameters_AreThoseOfTheReport(int bits, QuantizationScheme scheme, int k, bool fused)
    {
        var model = new TestModel(17);
        var weight = model.Weight("w", k, 48);
        weight.Graph.SetInitializer(weight, Tensor.Float([k, 48], Array.ConvertAll(weight.Initializer!.AsSpan<float>().ToArray(), w => Math.Abs(w) < 0.3f ? 0 : w)));
        var table = model.Weight("t", 90, 64);
        var product = model.Node("MatMul", [model.Input("x", 3, k), weight]);
        model.Output(product, model.Node("Gather", [table, model.Input("i", DataType.Int64, 2, 3)]));
        var options = new CompressionOptions { Quantization = QuantizationMode.WeightOnly, WeightBits = bits, QuantizationScheme = scheme };
        if (!fused) options = options with { QuantizationFormat = QuantizationFormat.MatMulNBits, BlockSize = 32 };

        var log = model.Run(new QuantizeWeights { FusedByteLength = 1 }, options);

        Assert.AreEqual(1, model.OpTypes().Count(o => o == "MatMulNBits"));
        var found = ModelCounter.CountUnpacked(model.Model);
        Assert.AreEqual((k * 48) + (90 * 64), found.Parameters);
        Assert.AreEqual(log.Layers.Single(l => l.Weight == "w").NonZeroCount, Count("w"));
        Assert.IsLessThan(k * 48 * 0.9, Count("w"), "Zeros stay zeros in every scheme.");
        if (bits == 4 && !fused) Assert.AreEqual(log.Layers.Single(l => l.Weight == "t").NonZeroCount, Count("t"));

        long Count(string name)
        {
            var node = model.Graph.Nodes.Single(n => name == "w" ? n.OpType == "MatMulNBits" : n.OpType == "GatherBlockQuantized");
            return ModelCompression.Analysis.Costs.PackedCodes.CountNonZeros(node.Input(name == "w" ? 1 : 0)!, v => UnpackedConstant.Of(model.Model, v))!.Value;
        }
    }
}
