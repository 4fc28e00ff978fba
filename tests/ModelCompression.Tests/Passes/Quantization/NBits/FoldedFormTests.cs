using ModelCompression.Options;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Quantization.NBits;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.NBits;

/// <summary>Every operator, width, scheme and granularity in folded form against the same model with weights restored from the codes one by one.</summary>
[TestClass]
public sealed class FoldedFormTests
{
    private static readonly QuantizationScheme[] Schemes = Enum.GetValues<QuantizationScheme>();

    public static IEnumerable<object[]> Cases =>
        from c in WeightCase.All
        from opset in new[] { 9L, 11L, 13L, 21L }
        where opset >= c.Opset
        from bits in opset == 13 ? [2, 3, 4, 5, 6, 7, 8] : new[] { 3, 4 }
        select new object[] { c.Name, opset, bits };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Outputs_AreThoseOfTheRestoredWeights(string name, long opset, int bits)
    {
        var weights = WeightCase.All.Single(c => c.Name == name);
        foreach (var scheme in Schemes)
        {
            foreach (var granularity in Enum.GetValues<QuantizationGranularity>())
            {
                var options = new CompressionOptions
                {
                    Quantization = QuantizationMode.WeightOnly,
                    QuantizationFormat = QuantizationFormat.Folded,
                    WeightBits = bits,
                    QuantizationScheme = scheme,
                    QuantizationGranularity = granularity,
                    BlockSize = 16,
                };
                var expected = new TestModel(opset);
                var actual = new TestModel(opset);
                weights.Build(expected);
                weights.Build(actual);
                if (!NBitRules.Apply(options)) continue;

                var log = actual.Run(new QuantizeWeights(), options);

                var unchanged = log.Layers.Where(l => l.Action == "unchanged").ToArray();
                Assert.IsEmpty(unchanged.Where(l => l.OriginalBytes > 2500).Select(l => $"{l.Weight}: {l.Reason}"), $"{scheme} {granularity}");
                RestoredNBits.Apply(expected.Model, options, unchanged.Select(l => l.Weight));
                QuantizeWeightsFormTests.AssertClose(expected.Model, actual.Model);
            }
        }
    }

    [TestMethod]
    [DataRow("conv", 3)]
    [DataRow("matmul", 4)]
    [DataRow("matmul", 5)]
    [DataRow("gemm", 2)]
    public void Weights_AreConstantsOnceASessionIsOpen(string name, int bits)
    {
        foreach (long opset in new[] { 11L, 21L })
        {
            var model = new TestModel(opset);
            WeightCase.All.Single(c => c.Name == name).Build(model);
            string[] before = OptimizedModel.OpTypes(model.Model);
            model.Run(new QuantizeWeights(), new() { Quantization = QuantizationMode.WeightOnly, QuantizationFormat = QuantizationFormat.Folded, WeightBits = bits, QuantizationGranularity = QuantizationGranularity.Block });
            Assert.Contains("Mul", model.OpTypes(), "Nothing was quantized.");
            CollectionAssert.AreEquivalent(before, OptimizedModel.OpTypes(model.Model));
        }
    }
}
