using System.Text.Json;
using System.Text.Json.Serialization;
using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;

namespace ModelCompression.Pipeline.Sensitivity;

/// <summary>How much each layer of a model minds being quantized.</summary>
public sealed record ModelSensitivity
{
    /// <summary>Samples that outputs were compared on.</summary>
    public int Samples { get; init; }

    /// <summary>Scheme, as <c>Quantization</c> names it.</summary>
    public string Quantization { get; init; } = "";

    /// <summary>Layers, the most sensitive first; those that cannot be measured last.</summary>
    public IReadOnlyList<LayerSensitivity> Layers { get; init; } = [];

    /// <summary>The result as JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, SensitivityJson.Readable.ModelSensitivity);
}

/// <summary>Measures the sensitivity of a model's layers.</summary>
public sealed record SensitivityMeter
{
    /// <summary>Models with larger weights are measured one layer at a time, to save memory.</summary>
    private const long SerialByteLength = 128L << 20;

    /// <summary>Full path of the model.</summary>
    public required string ModelPath { get; init; }

    /// <summary>Data for calibration and comparison.</summary>
    public required IReadOnlyList<string> Data { get; init; }

    /// <summary>How layers are quantized: option texts by name.</summary>
    public required SettingsSource Settings { get; init; }

    /// <summary>Samples to compare outputs on, the first ones of the data.</summary>
    public int SampleCount { get; init; } = 16;

    /// <summary>Most threads.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Told how far it is.</summary>
    public Action<RunProgress>? Progress { get; init; }

    /// <summary>Measures.</summary>
    /// <exception cref="DiagnosticException">The model, the data or the settings cannot be used.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before all layers were measured.</exception>
    public ModelSensitivity Run(CancellationToken cancellation = default)
    {
        var settings = ReadSettings();
        using var model = OnnxReader.Read(ModelPath);
        ModelRequirements.CheckOpens(model);
        PassPlan.CleanUp(model, settings, new PassLog());
        using var data = DataSet.Open(Data, ModelInterface.Of(model));
        var source = new DataSetSamples(data, SampleOrigin.Calibration);
        var samples = Enumerable.Range(0, Math.Min(SampleCount, data.Count)).Select(i => data.Read(i)).ToArray();
        var analysis = new SensitivityAnalysis(model, settings, new Calibrator(source, settings.Model.CalibrationSamples, 1) { Stopping = cancellation }, samples, cancellation);
        bool isLarge = model.AllGraphs().SelectMany(g => g.Initializers).Sum(i => i.Initializer?.ByteLength ?? 0) > SerialByteLength;
        var layers = new LayerSensitivity[analysis.Layers.Count];
        int done = 0;
        Parallel.For(0, layers.Length, new ParallelOptions { MaxDegreeOfParallelism = isLarge ? 1 : Math.Max(1, Threads), CancellationToken = cancellation }, i =>
        {
            layers[i] = analysis.Measure(analysis.Layers[i]);
            Progress?.Invoke(new("quantizing one layer at a time", Interlocked.Increment(ref done), layers.Length));
        });
        // The loop does not look behind its last turn, and whoever asked for the end waits for no table.
        cancellation.ThrowIfCancellationRequested();
        return new()
        {
            Samples = samples.Length,
            Quantization = settings.Model.Quantization.ToString(),
            Layers = [.. layers.OrderBy(l => l.SqnrDb is null).ThenBy(l => l.SqnrDb)],
        };
    }

    /// <summary>One layer alone has the whole byte budget of <c>QuantizationFormat=Auto</c>; plain codes show what the bits themselves do.</summary>
    private CompressionSettings ReadSettings()
    {
        var diagnostics = new List<Diagnostic>();
        var settings = OptionParser.Parse(Settings, [], diagnostics);
        if (settings is null) throw new DiagnosticException(diagnostics.First(d => d.Severity == DiagnosticSeverity.Error));
        var options = settings.Model with { CalibrationData = Data, BiasCorrection = false };
        if (options.Quantization is not (QuantizationMode.WeightOnly or QuantizationMode.Dynamic or QuantizationMode.Static))
            throw new DiagnosticException(Diagnostic.Error("MCB1004", $"Sensitivity is measured for Quantization=WeightOnly, Dynamic or Static, not {options.Quantization}."));
        if (options is { Quantization: QuantizationMode.WeightOnly, QuantizationFormat: QuantizationFormat.Auto }) options = options with { QuantizationFormat = QuantizationFormat.Folded };
        return settings with { Model = options };
    }
}

/// <summary>Generated serialization.</summary>
[JsonSerializable(typeof(ModelSensitivity))]
internal sealed partial class SensitivityJson : JsonSerializerContext
{
    /// <summary>For people and programs.</summary>
    public static SensitivityJson Readable { get; } = new(new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true, NewLine = "\n" });
}
