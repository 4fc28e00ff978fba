using ModelCompression.Onnx.Threading;

namespace ModelCompression.Onnx.Serialization.Writing;

/// <summary>A digest that another thread computes. Disposing stops it and waits for the thread.</summary>
internal sealed class PendingDigest : IDisposable
{
    private readonly CancellationTokenSource stop;
    private readonly Task<string> task;

    /// <summary>Begins.</summary>
    /// <param name="compute">Computes the digest.</param>
    /// <param name="inBackground">False to compute it here and now, where that takes less time than another thread.</param>
    /// <param name="cancellation">Stops it.</param>
    public PendingDigest(Func<CancellationToken, string> compute, bool inBackground, CancellationToken cancellation)
    {
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var token = stop.Token;
        task = inBackground ? Aside.Run(() => compute(token)) : Task.FromResult(compute(token));
    }

    /// <summary>The digest; waits for it.</summary>
    public string Result => task.GetAwaiter().GetResult();

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!task.IsCompleted) stop.Cancel();
        ((IAsyncResult)task).AsyncWaitHandle.WaitOne();
        stop.Dispose();
    }
}
