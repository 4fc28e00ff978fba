using System;

namespace ModelCompression.Build.Worker;

/// <summary>A flag the build raises to stop a task. Unlike a token source it needs no disposal, which tasks do not get.</summary>
internal sealed class Cancellation
{
    private volatile bool _requested;

    public void Request() => _requested = true;

    /// <exception cref="OperationCanceledException">The build was cancelled.</exception>
    public void ThrowIfRequested()
    {
        if (_requested) throw new OperationCanceledException();
    }
}
