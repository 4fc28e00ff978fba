using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization;
using ModelCompression.Runtime;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>Every operator in every form, scheme and granularity against the same model with weights restored by an independent computation.</summary>
[TestClass]
public sealed class QuantizeWeightsFormTests
{
    public static IEnumerable<object[]> Cases =>
        from c in WeightCase.All
        from opset in new[] { 9L, 13L, 21L }
        where opset >= c.Opset
        from format in new[] { QuantizationFormat.Folded, QuantizationFormat.Qdq }
        from scheme in new[] { QuantizationScheme.Symmetric, QuantizationScheme.Asymmetric }
        from granularity in new[] { QuantizationGranularity.Channel, QuantizationGranularity.Tensor }
        select new object[] { c.Name, opset, format, scheme, granularity };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Outputs_AreThoseOfTheRestoredWeights(string name, long opset, QuantizationFormat format, QuantizationScheme scheme, QuantizationGranularity granularity)
    {
        var weights = WeightCase.All.Single(c => c.Name == name);
        var expected = new TestModel(opset);
        var actual = new TestModel(opset);
        weights.Build(expected);
        weights.Build(actual);
        RestoredWeights.Apply(expected.Model, granularity == QuantizationGranularity.Tensor ? [.. weights.Axes.Select(_ => Array.Empty<int>())] : weights.Axes, scheme == QuantizationScheme.Symmetric);

        var log = actual.Run(new QuantizeWeights(), new() { Quantization = QuantizationMode.WeightOnly, QuantizationFormat = format, QuantizationScheme = scheme, QuantizationGranularity = granularity });

        Assert.IsTrue(log.Layers.Where(l => l.OriginalBytes > 1000).All(l => l.Bits == 8), string.Join("; ", log.Layers.Select(l => $"{l.Weight}: {l.Reason}")));
        bool dequantizes = format == QuantizationFormat.Qdq && opset >= (granularity == QuantizationGranularity.Tensor ? 10 : 13) && !((name.StartsWith("lstm", StringComparison.Ordinal) || name == "einsum, heads") && granularity == QuantizationGranularity.Channel);
        Assert.AreEqual(dequantizes, actual.OpTypes().Contains("DequantizeLinear"));
        // Without optimizations, so that an integer kernel does not round activations too. The sums' order is the same; what differs is (code − zero)·scale in the last bit.
        AssertClose(expected.Model, actual.Model);
    }

    [TestMethod]
    [DynamicData(nameof(FoldedCases))]
    public void FoldedForm_LeavesNothingToDoAtRunTime(string name, QuantizationFormat format, QuantizationScheme scheme)
    {
        var model = new TestModel();
        WeightCase.All.Single(c => c.Name == name).Build(model);
        string[] before = OptimizedModel.OpTypes(model.Model);
        model.Run(new QuantizeWeights(), new() { Quantization = QuantizationMode.WeightOnly, QuantizationFormat = format, QuantizationScheme = scheme });
        Assert.Contains("Mul", model.OpTypes(), "Nothing was quantized.");
        CollectionAssert.AreEquivalent(before, OptimizedModel.OpTypes(model.Model));
    }

    public static IEnumerable<object[]> FoldedCases =>
        from c in WeightCase.All
        where c.Name != "gather"
        from scheme in new[] { QuantizationScheme.Symmetric, QuantizationScheme.Asymmetric }
        select new object[] { c.Name, QuantizationFormat.Folded, scheme };

    [TestMethod]
    [DataRow(QuantizationScheme.Symmetric, QuantizationGranularity.Channel)]
    [DataRow(QuantizationScheme.Asymmetric, QuantizationGranularity.Channel)]
    [DataRow(QuantizationScheme.Symmetric, QuantizationGranularity.Tensor)]
    [DataRow(QuantizationScheme.Asymmetric, QuantizationGranularity.Tensor)]
    public void LargeTables_AreUnpackedRowByRowAfterGather(QuantizationScheme scheme, QuantizationGranularity granularity)
    {
        var expected = Table(LargeRows);
        var actual = Table(LargeRows);
        RestoredWeights.Apply(expected.Model, [granularity == QuantizationGranularity.Tensor ? [] : [0]], scheme == QuantizationScheme.Symmetric);
        actual.Run(new QuantizeWeights(), new() { Quantization = QuantizationMode.WeightOnly, QuantizationScheme = scheme, QuantizationGranularity = granularity });
        var gathers = actual.Graph.Nodes.Where(n => n.OpType == "Gather").ToArray();
        Assert.AreEqual(scheme == QuantizationScheme.Symmetric ? DataType.Int8 : DataType.UInt8, gathers[0].Input(0)!.Initializer!.DataType);
        Assert.AreEqual("out", actual.Graph.Outputs[1].Name, "The second output is the gathered rows and keeps its name.");
        AssertClose(expected.Model, actual.Model);
    }

    [TestMethod]
    [DataRow(LargeRows - 1, false), DataRow(LargeRows, true)]
    public void SmallTables_CostNothingPerLookup(int rows, bool isLarge)
    {
        var model = Table(rows);
        string[] before = OptimizedModel.OpTypes(model.Model);

        var log = model.Run(new QuantizeWeights(), new() { Quantization = QuantizationMode.WeightOnly });

        Assert.AreEqual(8, log.Layers.Single().Bits);
        string[] after = OptimizedModel.OpTypes(model.Model);
        if (isLarge) CollectionAssert.Contains(after, "Mul");
        else CollectionAssert.AreEquivalent(before, after);
    }

    /// <summary>Fewest rows of 24 numbers that are more than a mebibyte as floats.</summary>
    private const int LargeRows = (int)(FormRules.FoldedTableByteLength / (24 * sizeof(float))) + 1;

    private static TestModel Table(int rowCount)
    {
        var model = new TestModel();
        var table = model.Weight("table", rowCount, 24);
        var ids = model.Input("ids", DataType.Int64, 2, 3);
        var rows = model.Graph.AddNode("Gather", [table, ids], ["out"], name: "rows").Outputs[0]!;
        model.Output(model.Node("Relu", [rows]), rows, model.Node("Gather", [table, ids], NodeAttribute.Of("axis", -2L)));
        return model;
    }

    internal static void AssertClose(Model expected, Model actual, double relative = 2e-6)
    {
        using var one = Equivalence.Open(OnnxWriter.ToBytes(expected));
        using var two = Equivalence.Open(OnnxWriter.ToBytes(actual));
        Equivalence.AssertSameInterface(one, two);
        var outputs = Equivalence.RunFirstThatWorks(one, SyntheticInputs.For(expected, seed: 3), out var sample);
        Assert.IsNotNull(outputs, "The model does not run.");
        Assert.IsNull(Equivalence.Difference(outputs, two.Run(sample.Inputs), values => relative * values.Max(Math.Abs)));
    }
}
