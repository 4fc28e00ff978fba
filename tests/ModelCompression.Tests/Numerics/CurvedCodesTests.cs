using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Numerics;

[TestClass]
public sealed class CurvedCodesTests
{
    [TestMethod]
    [DataRow(1f)]
    [DataRow(3f)]
    [DataRow(9f)]
    public void Nearest_IsTheNearestLevel(float curvature)
    {
        var codes = new CurvedCodes(curvature);
        float[] table = codes.Table();
        var random = new Random(5);
        for (int i = 0; i < 20_000; i++)
        {
            float x = i < 256 ? i - 128 : (float)((random.NextDouble() * 256) - 128);

            int code = codes.Nearest(x, out float level);

            float best = table.Min(l => Math.Abs(l - x));
            Assert.AreEqual(best, Math.Abs(level - x), 1e-5f, $"{x}");
            Assert.AreEqual(level, table[code + codes.Offset]);
        }
    }

    [TestMethod]
    public void Levels_AreOddMonotoneAndKeepZeroAndTheEnds()
    {
        float[] table = new CurvedCodes(3).Table();

        Assert.AreEqual(0f, table[128]);
        Assert.AreEqual(127f, table[255], 1e-4f);
        for (int q = 1; q < 128; q++)
        {
            Assert.AreEqual(-table[128 + q], table[128 - q]);
            Assert.IsGreaterThan(table[127 + q], table[128 + q]);
        }
    }

    [TestMethod]
    public void Choice_PredictsTheNoise()
    {
        float[] weights = HeavyTailed(64 * 512);
        var layout = new ChannelLayout(1, 64, 512);
        var scales = Enumerable.Range(0, 64).Select(c => new AffineScale(weights.Skip(c * 512).Take(512).Max(Math.Abs) / 127, 0)).ToArray();

        var tensor = Tensor.Float([64, 512], weights);
        var (curvature, predicted) = CurvedQuantizer.Choose(tensor, layout, scales, 8);
        var actual = CurvedQuantizer.Quantize(tensor, layout, scales, new CurvedCodes(curvature), new byte[weights.Length]);

        Assert.AreEqual(1, predicted / actual.Noise, 0.15);
    }

    [TestMethod]
    public void HeavyTailedWeights_LoseLessAtTheSameSize()
    {
        using var folder = new TemporaryFolder();
        string source = folder.Combine("m.onnx");
        var graph = new OnnxGraph("g");
        var x = graph.AddInput("x", new TensorType(DataType.Float, Shape.Of(1, 512)));
        var w = graph.AddInitializer("w", Tensor.Float([512, 512], HeavyTailed(512 * 512)));
        graph.AddOutput(graph.AddNode("MatMul", [x, w], ["y"]).Outputs[0]!);
        graph.Outputs[0].Type = new TensorType(DataType.Float, Shape.Of(1, 512));
        using var model = new Model(graph);
        model.OpsetImports[""] = 17;
        OnnxWriter.Write(model, source);

        var even = Compress(source, folder.Combine("even.onnx"), ("QuantizationFormat", "Folded"));
        var curved = Compress(source, folder.Combine("curved.onnx"));

        StringAssert.Contains(curved.Layers[0].Action, "levels");
        Assert.IsGreaterThan(even.Layers[0].SqnrDb!.Value + 4, curved.Layers[0].SqnrDb!.Value);
        Assert.IsGreaterThan(even.Fidelity!.SqnrDb!.Value + 4, curved.Fidelity!.SqnrDb!.Value);
        Assert.IsLessThan(0.2857 * curved.Original.Bytes, curved.Compressed.Bytes);
    }

    private static ModelCompression.Reports.CompressionReport Compress(string source, string output, params (string Name, string Value)[] settings)
    {
        var outcome = new CompressionPipeline(d => Assert.Fail(d.Message)).Run(new CompressionRequest
        {
            SourcePath = source,
            Identity = "m.onnx",
            OutputPath = output,
            Reports = [],
            Item = new SettingsSource("m", settings.ToDictionary(s => s.Name, s => s.Value)),
        });
        return outcome.Report!;
    }

    /// <summary>Student's t with 3 degrees of freedom.</summary>
    private static float[] HeavyTailed(int count)
    {
        var random = new Random(3);
        double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        return [.. Enumerable.Range(0, count).Select(_ => (float)(0.05 * Normal() / Math.Sqrt((Math.Pow(Normal(), 2) + Math.Pow(Normal(), 2) + Math.Pow(Normal(), 2)) / 3)))];
    }
}
