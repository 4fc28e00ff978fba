using System.Text.Json;
using System.Text.Json.Serialization;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Reports;
using ModelCompression.Runtime;

namespace ModelCompression.Pipeline.Inspection;

/// <summary>Two models side by side, on the same inputs.</summary>
public sealed record ModelComparison
{
    /// <summary>The first.</summary>
    public required ModelFigures Original { get; init; }

    /// <summary>The second.</summary>
    public required ModelFigures Compressed { get; init; }

    /// <summary>Distance of the second's outputs from the first's; null with a reason when they could not be compared.</summary>
    public FidelityFigures? Fidelity { get; init; }

    /// <summary>Why there is no fidelity.</summary>
    public string? FidelityReason { get; init; }

    /// <summary>Task metric; null without data.</summary>
    public ValidationFigures? Validation { get; init; }

    /// <summary>Latency; null unless asked for.</summary>
    public LatencyFigures? Latency { get; init; }

    /// <summary>The comparison as JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, ComparisonJson.Readable.ModelComparison);
}

/// <summary>Compares two models.</summary>
public sealed record ModelComparer
{
    /// <summary>Full path of the first model.</summary>
    public required string OriginalPath { get; init; }

    /// <summary>Full path of the second.</summary>
    public required string CompressedPath { get; init; }

    /// <summary>Data with labels or not; synthetic inputs when empty.</summary>
    public IReadOnlyList<string> Data { get; init; } = [];

    /// <summary>Metric, or null for the default.</summary>
    public Metric? Metric { get; init; }

    /// <summary>Measures latency.</summary>
    public bool Latency { get; init; }

    /// <summary>Most threads.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Told how far it is.</summary>
    public Action<RunProgress>? Progress { get; init; }

    /// <summary>Compares.</summary>
    /// <exception cref="DiagnosticException">A model or the data cannot be used, or the two have different inputs or outputs.</exception>
    public ModelComparison Run(CancellationToken cancellation = default)
    {
        using var original = OnnxReader.Read(OriginalPath);
        using var compressed = OnnxReader.Read(CompressedPath);
        ModelRequirements.CheckOpens(original);
        ModelRequirements.CheckOpens(compressed);
        using var data = RunData.Open(new CompressionOptions { ValidationData = Data, Metric = Metric }, original);
        Progress?.Invoke(new("comparing outputs", 0, 0));
        var check = FidelityCheck.Start(OriginalPath, original, data.FidelitySamples, optimizes: true, cancellation: cancellation);
        if (check.Original.Problem is { } problem) throw new DiagnosticException(problem);
        var fidelity = check.Compare(CompressedPath, cancellation);
        if (fidelity.Errors.Count > 0) throw new DiagnosticException(fidelity.Errors[0]);
        var validation = Evaluate(data, cancellation);
        if (Latency) Progress?.Invoke(new("measuring latency", 0, 0));
        var sample = data.FirstSample(check);
        return new ModelComparison
        {
            Original = ModelInspector.ModelFiguresOf(OriginalPath, original, sample),
            Compressed = ModelInspector.ModelFiguresOf(CompressedPath, compressed, sample),
            Fidelity = fidelity is { Samples: > 0, Cosine: not null } ? ReportFigures.Fidelity(fidelity) : null,
            FidelityReason = fidelity.Reason,
            Validation = validation,
            Latency = Latency ? data.MeasureLatency(OriginalPath, CompressedPath, check, cancellation) : null,
        };
    }

    /// <summary>A metric is a part of a comparison only: where it cannot be measured the rest is told.</summary>
    private ValidationFigures? Evaluate(RunData data, CancellationToken cancellation)
    {
        try
        {
            return data.Evaluate(OriginalPath, CompressedPath, Threads, Progress, cancellation);
        }
        catch (DiagnosticException e) when (Metric is null && e.Diagnostic.Code == "MCB3018")
        {
            return null;
        }
    }
}

/// <summary>Generated serialization.</summary>
[JsonSerializable(typeof(ModelComparison))]
internal sealed partial class ComparisonJson : JsonSerializerContext
{
    /// <summary>For people and programs.</summary>
    public static ComparisonJson Readable { get; } = new(new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true, NewLine = "\n" });
}
