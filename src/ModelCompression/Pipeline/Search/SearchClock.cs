using System.Diagnostics;

namespace ModelCompression.Pipeline.Search;

/// <summary>Time limit of a search; the only thing about time that may change its path.</summary>
/// <param name="limit">Limit, or null.</param>
internal sealed class SearchClock(TimeSpan? limit)
{
    private readonly long start = Stopwatch.GetTimestamp();

    /// <summary>True when the time is used up.</summary>
    public bool IsLate => limit is { } most && Stopwatch.GetElapsedTime(start) > most;
}
