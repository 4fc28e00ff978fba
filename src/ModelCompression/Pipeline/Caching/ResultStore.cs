namespace ModelCompression.Pipeline.Caching;

/// <summary>A store could not do what it was asked to; the message says why in words for the user.</summary>
internal sealed class StoreException(string message, bool permanent, Exception? cause = null) : Exception(message, cause)
{
    /// <summary>True when there is no sense in asking again during this run.</summary>
    public bool Permanent { get; } = permanent;
}

/// <summary>Thrown when a store can be read but not written.</summary>
internal sealed class ReadOnlyStoreException(string message) : Exception(message);

/// <summary>A place for blobs by name, of which there are two kinds: <c>ac/&lt;key&gt;</c> and <c>cas/&lt;sha256&gt;</c>.</summary>
internal abstract class ResultStore : IDisposable
{
    /// <summary>What messages call the store; without credentials.</summary>
    public abstract string Name { get; }

    /// <summary>Copies a blob to <paramref name="target"/>; false when there is none.</summary>
    /// <param name="name"><c>ac/…</c> or <c>cas/…</c>.</param>
    /// <param name="target">Takes the bytes.</param>
    /// <param name="limit">Most bytes to accept; a longer blob is cut off there.</param>
    /// <param name="cancellation">Stops the transfer.</param>
    /// <exception cref="StoreException">The store does not answer as it should.</exception>
    public abstract bool Get(string name, Stream target, long limit, CancellationToken cancellation);

    /// <summary>Stores a blob under a name, replacing what is there; it appears whole or not at all.</summary>
    /// <exception cref="StoreException">The store does not answer as it should.</exception>
    /// <exception cref="ReadOnlyStoreException">The store does not take blobs from this user.</exception>
    public abstract void Put(string name, Stream source, CancellationToken cancellation);

    /// <inheritdoc/>
    public abstract void Dispose();
}
