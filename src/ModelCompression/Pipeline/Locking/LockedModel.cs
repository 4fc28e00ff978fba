using System.Text.Json.Serialization;

namespace ModelCompression.Pipeline.Locking;

/// <summary>A lock file: what every result of a set of projects was made from, and what it is (docs/lock-file.md).</summary>
public sealed record LockDocument
{
    /// <summary>The format this version writes.</summary>
    public const int CurrentVersion = 1;

    /// <summary>Version of the format.</summary>
    public int Version { get; init; } = CurrentVersion;

    /// <summary>Models by project and destination. Projects are named relative to the lock file, destinations relative to the output folder.</summary>
    public SortedDictionary<string, SortedDictionary<string, LockedModel>> Projects { get; init; } = new(StringComparer.Ordinal);
}

/// <summary>One model of a lock file. Every text is the same on every machine.</summary>
public sealed record LockedModel
{
    /// <summary>Version of the tool.</summary>
    public required string Tool { get; init; }

    /// <summary>The source.</summary>
    public required LockedFile Source { get; init; }

    /// <summary>SHA-256 of the source's external data by name relative to it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SortedDictionary<string, string>? External { get; init; }

    /// <summary>Effective settings.</summary>
    public required SortedDictionary<string, string> Settings { get; init; }

    /// <summary>SHA-256 of data files by setting and name, relative to the project.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SortedDictionary<string, SortedDictionary<string, string>>? Data { get; init; }

    /// <summary>What a search chose: a build with the same inputs takes it and does not search.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Reports.ChosenSettings? Chosen { get; init; }

    /// <summary>The result.</summary>
    public required LockedFile Output { get; init; }

    /// <summary>SHA-256 of files that belong to the result, by name relative to the result's folder.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SortedDictionary<string, string>? Files { get; init; }

    /// <summary>Ranges of activations as they were measured, <c>minimum maximum</c> by tensor: their last bits depend on the CPU, so a build with the same inputs takes these.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SortedDictionary<string, string>? Calibration { get; init; }

    /// <summary>Other figures and choices that were measured, by step and place; a build with the same inputs takes these.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SortedDictionary<string, string>? Measured { get; init; }

    /// <summary>SHA-256 of weights that calibration or training made, by step and weight: these are made again, and the digests tell which differ.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SortedDictionary<string, string>? Outcomes { get; init; }
}

/// <summary>A file of a lock file.</summary>
/// <param name="Path">Relative path with forward slashes: of a source to the project, of a result to the output folder.</param>
/// <param name="Sha256">Digest, lower-case hex.</param>
public sealed record LockedFile(string Path, string Sha256);
