using ModelCompression.Data;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Quantization.BiasCorrection;
using ModelCompression.Passes.Sensitivity;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Statistics;
using ModelCompression.Tests.Pipeline;

namespace ModelCompression.Tests.Passes.Quantization.BiasCorrection;

/// <summary>Bias correction on few samples brings a trained network closer to the original on others.</summary>
[TestClass]
public sealed class HeldOutTests
{
    private const int Calibrated = 64, Others = 256;

    [TestMethod]
    [DataRow(QuantizationAlgorithm.RoundToNearest, QuantizationGranularity.Block)]
    [DataRow(QuantizationAlgorithm.RoundToNearest, QuantizationGranularity.Channel)]
    [DataRow(QuantizationAlgorithm.Gptq, QuantizationGranularity.Block)]
    public void FourBits_CorrectedBiasesGainADecibelOnOtherImages(QuantizationAlgorithm algorithm, QuantizationGranularity granularity)
    {
        var options = new CompressionOptions { Quantization = QuantizationMode.WeightOnly, WeightBits = 4, QuantizationGranularity = granularity, BlockSize = 32, QuantizationAlgorithm = algorithm };
        double without = Decibels(options with { BiasCorrection = false }), with = Decibels(options);
        Assert.IsGreaterThan(without + 1, with);
    }

    private static double Decibels(CompressionOptions options)
    {
        using var model = OnnxReader.Read(PipelineFixture.SampleModel);
        using var data = DataSet.Open([PipelineFixture.SampleData], ModelInterface.Of(model));
        var calibrator = new Calibrator(new Part(data, 0), Calibrated, 2);
        var others = new Calibrator(new Part(data, Calibrated), Others, 2);
        StatisticsPlan before = new(), after = new();
        var captured = before.Need(model.Graph.Outputs[0], "capture", () => new CaptureStatistic(Others));
        others.Collect(model, before);
        IEnumerable<ModelPass> Quantizers() => [new QuantizeWeights(calibrator, inputs: calibrator)];
        var settings = new CompressionSettings(options);
        new CorrectBiases(calibrator, Quantizers).Run(model, settings, new PassLog());
        foreach (var pass in Quantizers()) pass.Run(model, settings, new PassLog());
        var error = after.Need(model.Graph.Outputs[0], "error", () => new ErrorStatistic(captured));
        others.Collect(model, after);
        Assert.AreEqual(Others, error.SampleCount);
        return OutputReference.Decibels(error.NoiseToSignal);
    }

    /// <summary>The samples of a set from one on.</summary>
    private sealed class Part(DataSet data, int start) : SampleSource
    {
        public override SampleOrigin Origin => SampleOrigin.Calibration;

        public override int Count => data.Count - start;

        public override Sample Read(int attempt, int index) => data.Read(start + index);
    }
}
