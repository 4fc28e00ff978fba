using ModelCompression.Data;
using ModelCompression.Gradients;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Pipeline;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Runtime.Training;
using ModelCompression.Statistics;
using ModelCompression.Tests.Gradients;
using ModelCompression.Tests.Passes.Quantization.Equalization;

namespace ModelCompression.Tests.Pipeline.Locking;

/// <summary>A build with what another machine has measured gives that machine's bytes, or tells which step did not.</summary>
[TestClass]
public sealed class OtherCpuTests
{
    [TestMethod]
    [DataRow("Quantization=Static", true, DisplayName = "operators left float, scales per channel, means, bias shifts")]
    [DataRow("Quantization=Static;CalibrationMethod=Entropy", true, DisplayName = "entropy")]
    [DataRow("Quantization=Static;BiasCorrection=false;QuantizationGranularity=Tensor", true, DisplayName = "ranges alone")]
    [DataRow("Quantization=WeightOnly;WeightBits=4", true, DisplayName = "bias shifts of codes")]
    [DataRow("Quantization=WeightOnly;WeightBits=3;QuantizationAlgorithm=Hqq;BiasCorrection=false", false, DisplayName = "mean inputs")]
    [DataRow("Quantization=Dynamic", true, DisplayName = "bias shifts of dynamic integers")]
    [DataRow("Quantization=None;Pruning=Wanda;PruningPattern=Channel;ChannelMultiple=1;Sparsity=0.4;Compensation=None", false, DisplayName = "channels by activations")]
    public void Statistics_AreTakenFromTheRecord(string settings, bool differsWithout) => Check(settings, differsWithout);

    [TestMethod]
    public void Smoothing_IsTakenFromTheRecord()
    {
        var settings = Settings("Quantization=Dynamic;Equalization=SmoothQuant;CalibrationData=x.npz");
        byte[] Run(Func<IStatisticsSource, IStatisticsSource> machine)
        {
            using var model = SmoothActivationsTests.Make("LayerNormalization").Model;
            PassPlan.Run(model, settings, machine(SmoothActivationsTests.Samples()), null, null, new PassLog(), new ModelCounter(), new Dictionary<string, string>(), CancellationToken.None);
            return OnnxWriter.ToBytes(model);
        }

        var here = new MeasurementRecord();
        byte[] locked = Run(s => new OtherCpuStatistics(s, here));

        CollectionAssert.AreNotEqual(locked, Run(s => s));
        CollectionAssert.AreEqual(locked, Run(s => new SameCpuStatistics(s, new(here.Measured))));
    }

    [TestMethod]
    [DataRow("Taylor")]
    [DataRow("GradientStability")]
    public void ChannelsByGradients_AreTakenFromTheRecord(string criterion)
    {
        using var blobs = new Blobs();
        var settings = Settings($"Quantization=WeightOnly;Pruning={criterion};PruningPattern=Channel;ChannelMultiple=1;Sparsity=0.5;TrainingData={blobs.DataPath}");
        byte[] Run(Func<GradientRunner, IGradientSource> machine)
        {
            using var model = OnnxReader.Read(blobs.ModelPath);
            using var runner = blobs.Runner();
            PassPlan.Run(model, settings, null, null, machine(runner), new PassLog(), new ModelCounter(), new Dictionary<string, string>(), CancellationToken.None);
            return OnnxWriter.ToBytes(model);
        }

        var here = new MeasurementRecord();
        byte[] locked = Run(g => new OtherCpuGradients(g, here));
        // The record says the opposite of what this machine would choose, so that only a taken record gives it.
        var words = here.Measured.Values.Single();
        bool[] chosen = ModelCompression.Passes.Pruning.Channels.IndexText.TryRead(words.Value, 24)!;
        var swapped = new MeasurementRecord(here.Measured with { Values = new Dictionary<string, string> { [words.Key] = ModelCompression.Passes.Pruning.Channels.IndexText.Write(Array.ConvertAll(chosen, c => !c)) } });

        CollectionAssert.AreEqual(locked, Run(g => new OtherCpuGradients(g, new(here.Measured))));
        CollectionAssert.AreNotEqual(locked, Run(g => new OtherCpuGradients(g, swapped)));
        Assert.AreEqual("channels removed at first", words.Key);
    }

    [TestMethod]
    [DataRow("Quantization=None;Pruning=Magnitude;Sparsity=0.5", "CompensatePruning of ")]
    [DataRow("Quantization=None;Pruning=SparseGpt;Sparsity=0.5", "PruneByActivation of ")]
    [DataRow("Quantization=WeightOnly;WeightBits=3;QuantizationAlgorithm=Gptq", "")]
    public void WeightsFromSumsOverTheData_AreTheSameOrNamed(string text, string step)
    {
        var here = new MeasurementRecord();
        using var blobs = new Blobs();
        byte[] locked = Run(text, here, disturbed: false, blobs.ModelPath, blobs.DataPath);
        var there = new MeasurementRecord(here.Measured);
        byte[] made = Run(text, there, disturbed: true, blobs.ModelPath, blobs.DataPath);

        Assert.IsNotEmpty(here.Measured.Outcomes);
        Assert.AreEqual(made.AsSpan().SequenceEqual(locked), there.DifferentOutcomes.Count == 0, string.Join(", ", there.DifferentOutcomes));
        if (step.Length > 0) StringAssert.StartsWith(there.DifferentOutcomes[0], step);
    }

    private static void Check(string text, bool differsWithout)
    {
        var here = new MeasurementRecord();
        byte[] locked = Run(text, here, disturbed: false);
        var there = new MeasurementRecord(here.Measured);

        CollectionAssert.AreEqual(locked, Run(text, there, disturbed: true));

        CollectionAssert.AreEquivalent(here.Measured.Values.ToArray(), there.Measured.Values.ToArray());
        CollectionAssert.AreEquivalent(here.Measured.Ranges.ToArray(), there.Measured.Ranges.ToArray());
        Assert.IsEmpty(there.DifferentOutcomes);
        if (differsWithout) CollectionAssert.AreNotEqual(locked, Run(text, new(), disturbed: true));
    }

    private static byte[] Run(string text, MeasurementRecord record, bool disturbed, string? modelPath = null, string? dataPath = null)
    {
        using var model = OnnxReader.Read(modelPath ?? PipelineFixture.SampleModel);
        using var data = DataSet.Open([dataPath ?? PipelineFixture.SampleData], ModelInterface.Of(model));
        var calibrator = new Calibrator(new DataSetSamples(data, SampleOrigin.Calibration), 32, 2) { Record = record };
        IStatisticsSource source = disturbed ? new OtherCpuStatistics(calibrator, record) : calibrator;
        PassPlan.Run(model, Settings($"{text};CalibrationData=x.npz"), source, source, null, new PassLog(), new ModelCounter(), new Dictionary<string, string>(), CancellationToken.None);
        return OnnxWriter.ToBytes(model);
    }

    private static CompressionSettings Settings(string text)
    {
        var values = text.Split(';').Select(s => s.Split('=', 2)).ToDictionary(p => p[0], p => p[1]);
        var problems = new List<Diagnostic>();
        return OptionParser.Parse(new SettingsSource("m", values), [], problems) ?? throw new AssertFailedException(string.Join('\n', problems));
    }

    private sealed class SameCpuStatistics(IStatisticsSource inner, MeasurementRecord record) : IStatisticsSource
    {
        public int SampleCount => inner.SampleCount;

        public MeasurementRecord? Record => record;

        public void Collect(Model model, StatisticsPlan plan, CancellationToken cancellation = default) => inner.Collect(model, plan, cancellation);
    }
}
