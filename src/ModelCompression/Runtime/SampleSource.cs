using ModelCompression.Data;

namespace ModelCompression.Runtime;

/// <summary>Where the inputs of a check come from, as the report states it.</summary>
public enum SampleOrigin
{
    /// <summary>Validation data.</summary>
    Validation,

    /// <summary>Calibration data.</summary>
    Calibration,

    /// <summary>Made up from the model's interface.</summary>
    Synthetic,
}

/// <summary>Samples for a check, read one at a time and any number of times.</summary>
public abstract class SampleSource
{
    /// <summary>Where they come from.</summary>
    public abstract SampleOrigin Origin { get; }

    /// <summary>Number of samples.</summary>
    public abstract int Count { get; }

    /// <summary>Number of ways to make them, tried in order until the model runs; 1 for real data.</summary>
    public virtual int AttemptCount => 1;

    /// <summary>Why there are none, or null.</summary>
    public virtual string? Refusal => null;

    /// <summary>Makes or reads sample <paramref name="index"/>; the same arguments give the same values.</summary>
    public abstract Sample Read(int attempt, int index);

    /// <summary>The same into memory that is used again; the sample is valid until the next is read into it.</summary>
    public virtual Sample Read(int attempt, int index, SampleBuffers buffers) => Read(attempt, index);
}
