namespace ModelCompression.Statistics;

/// <summary>
/// Partial results that have been merged and whose arrays may be filled again, so that many samples leave no more garbage behind than a few. As many are kept as samples were
/// under way at the same time.
/// </summary>
/// <typeparam name="T">Type of a partial result.</typeparam>
internal sealed class MergedParts<T> where T : class
{
    private readonly Lock gate = new();
    private readonly Stack<T> parts = new();

    /// <summary>Takes one, or null when there is none. Thread-safe.</summary>
    public T? Take()
    {
        lock (gate) return parts.TryPop(out var part) ? part : null;
    }

    /// <summary>Gives one back that nobody looks at any more.</summary>
    public void Return(T part)
    {
        lock (gate) parts.Push(part);
    }
}
