using Microsoft.ML.OnnxRuntime;
using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Quantization.NBits;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.NBits;

/// <summary>Weights with enough codes to be looked up several at a time.</summary>
[TestClass]
public sealed class LargeWeightsTests
{
    public static IEnumerable<object[]> Cases =>
        from opset in new[] { 11L, 13L, 21L }
        from bits in opset == 13 ? [2, 3, 4, 5, 6, 7, 8] : new[] { 3, 4, 6 }
        select new object[] { opset, bits };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Weights_AreThoseOfTheCodesToTheLastBit(long opset, int bits)
    {
        foreach (var scheme in Enum.GetValues<QuantizationScheme>())
        {
            foreach (var granularity in Enum.GetValues<QuantizationGranularity>())
            {
                foreach (double zeros in scheme == QuantizationScheme.Symmetric ? [0, 0.6] : new[] { 0.0 })
                {
                    var options = Options(bits, scheme, granularity);
                    if (!NBitRules.Apply(options)) continue;
                    // Just above what 7-bit codes take to form units, and odd, so that the last unit is not full.
                    var model = Model(opset, 613, 443, zeros);
                    var original = WeightCatalog.Of(model.Model).Weights.Single();
                    var plan = NBitRules.Plan(original, original.Uses[0], options, GraphTarget.AllOf(model.Model)[model.Graph]);
                    float[] expected = RestoredNBits.Values(original, options, NBitEncoder.TryMake(plan)!);

                    model.Run(new QuantizeWeights(), options);

                    var unpacked = Run(model, [model.Graph.Nodes.Single(n => n.OpType == "MatMul").Inputs[1]!]);
                    CollectionAssert.AreEqual(expected, unpacked[0].GetTensorDataAsSpan<float>().ToArray(), $"{scheme} {granularity}, {zeros} zeros");
                }
            }
        }
    }

    [TestMethod]
    [DataRow(13L, 2, 12.2)]
    [DataRow(13L, 3, 12.4)]
    [DataRow(13L, 4, 12.2)]
    [DataRow(13L, 5, 14.6)]
    [DataRow(13L, 6, 14.6)]
    [DataRow(13L, 7, 16.6)]
    [DataRow(13L, 8, 8.1)]
    [DataRow(21L, 4, 8.1)]
    public void Unpacking_KeepsFewBytesPerWeight(long opset, int bits, double limit)
    {
        const int size = 1024;
        var model = Model(opset, size, size, 0);
        model.Run(new QuantizeWeights(), Options(bits, QuantizationScheme.Symmetric, QuantizationGranularity.Channel) with { SparseStorage = SparseStorage.Dense });
        Value[] all = [.. model.Graph.Nodes.Where(n => n.OpType != "MatMul").Select(n => n.Outputs[0]!)];
        long bytes = 0, tables = 0;
        foreach (var value in Run(model, all))
        {
            long length = value.GetTensorMutableRawData().Length;
            // Tables are made once for all weights of a width.
            if (length <= size * size / 8) tables += length;
            else bytes += length;
        }

        double perWeight = bytes / (double)(size * size);
        Assert.IsTrue(perWeight > 8 - 1e-9 && perWeight < limit, $"{perWeight} bytes per weight, {tables} bytes of tables and scales");
    }

    private static CompressionOptions Options(int bits, QuantizationScheme scheme, QuantizationGranularity granularity) => new()
    {
        Quantization = QuantizationMode.WeightOnly,
        QuantizationFormat = QuantizationFormat.Folded,
        WeightBits = bits,
        QuantizationScheme = scheme,
        QuantizationGranularity = granularity,
        BlockSize = 16,
    };

    private static TestModel Model(long opset, int inputs, int outputs, double zeros)
    {
        var model = new TestModel(opset, opset >= 21 ? 10 : 8);
        var weight = model.RandomTensor(inputs, outputs);
        var random = new Random(5);
        float[] elements = weight.AsSpan<float>().ToArray();
        for (int i = 0; i < elements.Length; i++)
            if (random.NextDouble() < zeros) elements[i] = 0;
        var constant = model.Constant("w", ModelCompression.Onnx.Tensors.Tensor.Float([inputs, outputs], elements));
        model.Output(model.Node("MatMul", [model.Input("x", 1, inputs), constant]));
        return model;
    }

    /// <summary>Values of the graph as ONNX Runtime computes them without optimizing.</summary>
    private static IReadOnlyList<OrtValue> Run(TestModel model, Value[] values)
    {
        foreach (var value in values) model.Graph.AddOutput(value);
        long inputs = model.Graph.Inputs[0].TensorType!.Shape!.Dimensions[1].Size!.Value;
        using var options = new SessionOptions { GraphOptimizationLevel = GraphOptimizationLevel.ORT_DISABLE_ALL, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        using var session = new InferenceSession(OnnxWriter.ToBytes(model.Model), options);
        using var run = new RunOptions();
        using var x = OrtValue.CreateTensorValueFromMemory(new float[inputs], [1, inputs]);
        return [.. session.Run(run, new Dictionary<string, OrtValue> { ["x"] = x }, [.. values.Select(v => v.Name)])];
    }
}
