namespace ModelCompression.Statistics;

/// <summary>The ends of a range.</summary>
[Flags]
public enum Extremes
{
    /// <summary>Neither.</summary>
    None = 0,

    /// <summary>The smallest element.</summary>
    Low = 1,

    /// <summary>The largest element.</summary>
    High = 2,

    /// <summary>Both.</summary>
    Both = Low | High,
}
