using System.Diagnostics;

namespace ModelCompression.Pipeline.Search;

/// <summary>Time limit of a search; the only thing about time that may change its path.</summary>
/// <param name="limit">Limit, or null.</param>
internal sealed class SearchClock(TimeSpan? limit)
{
    private readonly long start = Stopwatch.GetTimestamp();

    /// <summary>A source that is cancelled when the time is used up, or with <paramref name="cancellation"/>.</summary>
    public CancellationTokenSource Limit(CancellationToken cancellation)
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (limit is not { } most) return source;
        var left = most - Stopwatch.GetElapsedTime(start);
        if (left <= TimeSpan.Zero) source.Cancel();
        else if (left.TotalMilliseconds < int.MaxValue) source.CancelAfter(left);
        return source;
    }

    /// <summary>True when the time is used up.</summary>
    public bool IsLate => IsPast(1);

    /// <summary>True when a share of the time is used up.</summary>
    public bool IsPast(double share) => limit is { } most && Stopwatch.GetElapsedTime(start) > share * most;
}
