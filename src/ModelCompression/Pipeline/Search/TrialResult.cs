using System.Text.Json.Serialization;

namespace ModelCompression.Pipeline.Search;

/// <summary>What a candidate came to. Everything but the latency is the same whenever it is measured.</summary>
internal sealed record TrialResult
{
    /// <summary>Bytes of the written model.</summary>
    public long Bytes { get; init; }

    /// <summary>What predictions are about: change of the outputs that may matter to the metric, relative to the outputs; null when it is not finite.</summary>
    public double? OutputNoise { get; init; }

    /// <summary>Signal to noise of the float outputs against the original's, dB; null when infinite.</summary>
    public double? SqnrDb { get; init; }

    /// <summary>Metric by fold; one entry without folds. Null when not finite.</summary>
    public double?[] Metric { get; init; } = [];

    /// <summary>Compressed/original latency; null when not measured.</summary>
    public double? LatencyRatio { get; init; }

    /// <summary>Why there is no result; null when there is.</summary>
    public string? Problem { get; init; }

    /// <summary>True for a problem of the user's program, which may be gone the next time: it is not kept.</summary>
    [JsonIgnore]
    public bool IsTransient { get; init; }
}

/// <summary>What passes make of the layers with one method for all of them.</summary>
internal sealed record EncodingResult
{
    /// <summary>Bytes of the written model.</summary>
    public long Bytes { get; init; }

    /// <summary>Weights.</summary>
    public IReadOnlyList<EncodedWeightFigures> Weights { get; init; } = [];

    /// <summary>Why there is no result; null when there is.</summary>
    public string? Problem { get; init; }
}

/// <summary>One weight of an <see cref="EncodingResult"/>.</summary>
/// <param name="Weight">Its name.</param>
/// <param name="OriginalBytes">Bytes before.</param>
/// <param name="Bytes">Bytes after.</param>
/// <param name="Noise">Σ(w−ŵ)²/Σw², 0 when unchanged.</param>
internal sealed record EncodedWeightFigures(string Weight, long OriginalBytes, long Bytes, double Noise);

/// <summary>Generated serialization of what is kept on disk.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TrialResult))]
[JsonSerializable(typeof(EncodingResult))]
internal sealed partial class SearchJson : JsonSerializerContext;
