using System.Text.Json;
using ModelCompression.Options;
using ModelCompression.Pipeline.Inspection;

namespace ModelCompression.Benchmarks;

/// <summary>Figures of one scheme's result for one model, kept beside the result.</summary>
internal sealed record SchemeResult
{
    private static readonly JsonSerializerOptions Form = new() { TypeInfoResolver = new System.Text.Json.Serialization.Metadata.DefaultJsonTypeInfoResolver(), NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals };

    /// <summary>Why there is no result, or null.</summary>
    public string? Failure { get; init; }

    /// <summary>Bytes of the result, external data included.</summary>
    public long Bytes { get; init; }

    /// <summary>Bytes of the original.</summary>
    public long OriginalBytes { get; init; }

    /// <summary>Ratio of outputs to their error over all samples, in dB.</summary>
    public double? SqnrDb { get; init; }

    /// <summary>Share of samples with labels that original and result classify rightly.</summary>
    public (double Original, double Result)? Accuracy => OriginalAccuracy is { } o && ResultAccuracy is { } r ? (o, r) : null;

    /// <summary>Accuracy of the original.</summary>
    public double? OriginalAccuracy { get; init; }

    /// <summary>Accuracy of the result.</summary>
    public double? ResultAccuracy { get; init; }

    /// <summary>Share of samples that read as with the original.</summary>
    public double? SameText { get; init; }

    /// <summary>Time of a run relative to the original's, one thread.</summary>
    public double? LatencyRatio { get; init; }

    /// <summary>Judges a file.</summary>
    public static SchemeResult Judge(string result, SchemeArguments arguments)
    {
        var comparer = new ModelComparer { OriginalPath = arguments.Model, CompressedPath = result, Threads = Environment.ProcessorCount };
        if (arguments.Validation.Length == 0)
        {
            var synthetic = comparer.Run();
            return new() { Bytes = synthetic.Compressed.Bytes, OriginalBytes = synthetic.Original.Bytes, SqnrDb = synthetic.Fidelity?.SqnrDb };
        }

        var comparison = (comparer with { Data = [arguments.Validation], Metric = Metric.Sqnr }).Run();
        var labelled = HasLabels(arguments) ? (comparer with { Data = [arguments.Validation], Metric = Metric.Top1 }).Run().Validation : null;
        return new()
        {
            Bytes = comparison.Compressed.Bytes,
            OriginalBytes = comparison.Original.Bytes,
            SqnrDb = comparison.Validation?.Compressed ?? double.PositiveInfinity,
            OriginalAccuracy = labelled?.Original,
            ResultAccuracy = labelled?.Compressed,
            SameText = arguments.ReadsText ? TextAgreement.Share(arguments.Model, result, arguments.Validation) : null,
        };
    }

    /// <summary>What an earlier call has kept, or null.</summary>
    public static SchemeResult? Read(string file) => File.Exists(file) ? JsonSerializer.Deserialize<SchemeResult>(File.ReadAllText(file), Form) : null;

    /// <summary>Keeps it.</summary>
    public void Write(string file) => File.WriteAllText(file, JsonSerializer.Serialize(this, Form));

    private static bool HasLabels(SchemeArguments arguments)
    {
        using var model = Onnx.Serialization.OnnxReader.Read(arguments.Model);
        using var data = Data.DataSet.Open([arguments.Validation], Data.ModelInterface.Of(model));
        return data.HasLabels;
    }
}
