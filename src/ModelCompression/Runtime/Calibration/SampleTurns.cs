using System.Runtime.ExceptionServices;

namespace ModelCompression.Runtime.Calibration;

/// <summary>Hands out samples to threads and lets each deliver its result in sample order.</summary>
/// <param name="first">The first sample.</param>
/// <param name="end">The one behind the last.</param>
internal sealed class SampleTurns(int first, int end)
{
    private readonly Lock gate = new();
    private readonly object turnChanged = new();
    private int next = first;
    private int turn = first;
    private ExceptionDispatchInfo? failure;

    /// <summary>Takes the next sample; false when there are none left or one has failed.</summary>
    public bool TryTakeSample(out int index)
    {
        lock (gate)
        {
            index = next;
            if (failure is not null || next >= end) return false;
            next++;
            return true;
        }
    }

    /// <summary>Waits until all samples before <paramref name="index"/> are complete.</summary>
    /// <exception cref="OperationCanceledException">An earlier one has failed.</exception>
    public void WaitFor(int index)
    {
        lock (turnChanged)
        {
            while (turn != index && failure is null) Monitor.Wait(turnChanged);
            if (failure is not null) throw new OperationCanceledException();
        }
    }

    /// <summary>Lets the next sample go on.</summary>
    public void Complete(int index)
    {
        lock (turnChanged)
        {
            turn = index + 1;
            Monitor.PulseAll(turnChanged);
        }
    }

    /// <summary>Stops everything. The failure of the earliest sample wins, whichever thread was first.</summary>
    public void Fail(int index, Exception error)
    {
        lock (turnChanged)
        {
            while (turn != index && failure is null) Monitor.Wait(turnChanged);
            failure ??= ExceptionDispatchInfo.Capture(error);
            Monitor.PulseAll(turnChanged);
        }
    }

    /// <summary>Throws the failure, if there is one.</summary>
    public void ThrowIfFailed() => failure?.Throw();
}
