using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Pipeline;
using ModelCompression.Reports;
using ModelCompression.Tests.Gradients;

namespace ModelCompression.Tests.Pipeline;

/// <summary>What the report says of weights, against the weights that ONNX Runtime unpacks from the result.</summary>
[TestClass]
public sealed class WeightFiguresTests
{
    /// <summary>Errors of an update and of rounding are added as if they had nothing to do with each other: three standard deviations of 1/√1152 for the smallest weight.</summary>
    private const double ChanceDb = 0.4;

    [TestMethod]
    [DataRow("", DisplayName = "mixed precision")]
    [DataRow("QuantizationFormat=QDQ", DisplayName = "int8")]
    [DataRow("QuantizationFormat=Folded;QuantizationScheme=Asymmetric")]
    [DataRow("QuantizationFormat=Folded;WeightBits=4")]
    [DataRow("QuantizationFormat=Folded;WeightBits=3;QuantizationGranularity=Block;QuantizationScheme=Asymmetric")]
    [DataRow("QuantizationFormat=Folded;WeightBits=5;QuantizationScheme=PowerOfTwo;QuantizationGranularity=Tensor")]
    [DataRow("QuantizationFormat=Folded;WeightBits=4;QuantizationScheme=Codebook")]
    [DataRow("Quantization=Float16")]
    public void ZerosAndErrors_AreThoseOfWhatIsComputedWith(string settings)
    {
        using var fixture = new PipelineFixture();
        (string, string)[] scheme = [.. settings.Split(';', StringSplitOptions.RemoveEmptyEntries).Select(s => (s.Split('=')[0], s.Split('=')[1]))];

        AssertFigures(fixture, fixture.Run(scheme).Report!, 0.01);
        var pruned = fixture.Run([.. scheme, ("Pruning", "Magnitude"), ("Sparsity", "0.5")]).Report!;
        AssertFigures(fixture, pruned, 0.01);
        Assert.IsLessThanOrEqualTo(0.51 * pruned.Compressed.Parameters, pruned.Compressed.NonZeroParameters);
        Assert.AreEqual(0.5, pruned.Pruning.Sparsity, 0.01, "zeros of rounding are not pruned");
    }

    [TestMethod]
    [DataRow("Wanda")]
    [DataRow("SparseGpt")]
    [DataRow("Magnitude")]
    public void RefittedWeights_AreComparedWithTheOriginal(string criterion)
    {
        using var fixture = new PipelineFixture();

        var report = fixture.Run(("Pruning", criterion), ("Sparsity", "0.5"), ("CalibrationData", PipelineFixture.SampleData), ("CalibrationSamples", "64"), ("QuantizationFormat", "Folded"), ("WeightBits", "4")).Report!;

        AssertFigures(fixture, report, ChanceDb);
    }

    [TestMethod]
    public void FineTunedWeights_AreComparedWithTheOriginal()
    {
        using var blobs = new Blobs();
        using var fixture = new PipelineFixture { Source = blobs.ModelPath };

        var report = fixture.Run(("TrainingData", blobs.DataPath), ("FineTuneEpochs", "4"), ("LearningRate", "0.01"), ("Pruning", "Magnitude"), ("Sparsity", "0.5"), ("Quantization", "None")).Report!;

        Assert.Contains(l => l.Action.Contains("fine-tuned", StringComparison.Ordinal), report.Layers);
        AssertFigures(fixture, report, 0.01);
    }

    [TestMethod]
    [DataRow("Dynamic", "Symmetric")]
    [DataRow("Dynamic", "Asymmetric")]
    public void IntegerKernels_HaveTheZerosOfTheirCodes(string quantization, string scheme)
    {
        using var fixture = new PipelineFixture();
        var report = fixture.Run(("Quantization", quantization), ("QuantizationScheme", scheme), ("Pruning", "Magnitude"), ("Sparsity", "0.3")).Report!;
        using var model = OnnxReader.Read(fixture.Output);

        // Unpacking operators compute with constants only.
        var integer = model.Graph.Nodes.Where(n => n.OpType is "MatMulInteger" or "DynamicQuantizeMatMul" && UnpackedConstant.Of(model, n.Input(0)!) is null).ToList();
        Assert.IsNotEmpty(integer, "the classifier's matrix products compute with integers");
        foreach (var node in integer)
        {
            var codes = UnpackedConstant.Of(model, node.Input(1)!)!;
            int[] zeros = node.Input(3) is { } point ? Codes(UnpackedConstant.Of(model, point)!) : [0];
            double share = Codes(codes).Where((c, i) => c == zeros[i % zeros.Length]).Count() / (double)codes.ElementCount;
            Assert.Contains(l => Math.Abs(l.Sparsity - share) < 1e-6 && l.OriginalBytes == 4 * codes.ElementCount, report.Layers, $"{node}: {share}");
        }
    }

    private static int[] Codes(Tensor tensor) => tensor.DataType == DataType.UInt8 ? [.. tensor.AsSpan<byte>().ToArray().Select(c => (int)c)] : [.. tensor.AsSpan<sbyte>().ToArray().Select(c => (int)c)];

    private static void AssertFigures(PipelineFixture fixture, CompressionReport report, double toleranceDb)
    {
        using var original = OnnxReader.Read(fixture.Source);
        using var model = OnnxReader.Read(fixture.Output);
        long lost = 0;
        foreach (var layer in report.Layers)
        {
            // Biases have a row of their own.
            if (original.Graph.Initializers.FirstOrDefault(i => i.Name == layer.Weight) is not { } value || !value.TryGetConstant(out var before) || before.Rank < 2) continue;
            var after = Weight(model, layer, value.Uses[0].Index);
            var (old, now) = (before.AsSpan<float>().ToArray(), FloatElements.AsFloat(after).AsSpan<float>().ToArray());
            long zeros = now.LongCount(w => w == 0);
            lost += zeros;
            Assert.AreEqual(zeros / (double)now.Length, layer.Sparsity, 1e-6, layer.Weight);
            double signal = old.Sum(w => (double)w * w), noise = old.Zip(now, (a, b) => ((double)a - b) * ((double)a - b)).Sum();
            Assert.AreEqual(10 * Math.Log10(signal / noise), layer.SqnrDb ?? double.PositiveInfinity, toleranceDb, $"{layer.Weight}: {layer.Action}");
        }

        Assert.AreEqual(report.Compressed.Parameters - lost, report.Compressed.NonZeroParameters, 32, "biases may have zeros, too");
    }

    /// <summary>What the layer's node reads.</summary>
    private static Tensor Weight(Model model, LayerFigures layer, int index)
    {
        var node = model.Graph.Nodes.Single(n => n.DisplayName == layer.Node);
        return UnpackedConstant.Of(model, node.Input(index)!)!;
    }
}
