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
    private bool isOver;

    /// <summary>Takes the next sample; false when there are none left, one has failed, or no more are needed.</summary>
    public bool TryTakeSample(out int index)
    {
        lock (gate)
        {
            index = next;
            if (failure is not null || isOver || next >= end) return false;
            next++;
            return true;
        }
    }

    /// <summary>Waits until all samples before <paramref name="index"/> are complete.</summary>
    /// <returns>False if one of them was the last that is needed.</returns>
    /// <exception cref="OperationCanceledException">An earlier one has failed.</exception>
    public bool WaitFor(int index)
    {
        lock (turnChanged)
        {
            while (turn != index && failure is null && !isOver) Monitor.Wait(turnChanged);
            if (failure is not null) throw new OperationCanceledException();
            return !isOver;
        }
    }

    /// <summary>Lets the next sample go on, or tells that it is not needed.</summary>
    public void Complete(int index, bool isLast)
    {
        lock (turnChanged)
        {
            turn = index + 1;
            isOver |= isLast;
            Monitor.PulseAll(turnChanged);
        }
    }

    /// <summary>Stops everything. The failure of the earliest sample wins, whichever thread was first.</summary>
    public void Fail(int index, Exception error)
    {
        lock (turnChanged)
        {
            while (turn != index && failure is null && !isOver) Monitor.Wait(turnChanged);
            if (isOver) return;
            failure ??= ExceptionDispatchInfo.Capture(error);
            Monitor.PulseAll(turnChanged);
        }
    }

    /// <summary>Throws the failure, if there is one.</summary>
    public void ThrowIfFailed() => failure?.Throw();
}
