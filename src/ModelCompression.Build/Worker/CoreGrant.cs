using System;
using Microsoft.Build.Framework;

namespace ModelCompression.Build.Worker;

/// <summary>The number of threads the worker may use: what the user says, else what the build grants this task.</summary>
internal sealed class CoreGrant
{
    private readonly IBuildEngine9? _engine;
    private int _granted;

    /// <param name="engine">The build.</param>
    /// <param name="wanted">A fixed number, or 0 to ask the build for as many as the machine has.</param>
    public CoreGrant(IBuildEngine engine, int wanted)
    {
        Count = wanted > 0 ? wanted : Environment.ProcessorCount;
        if (wanted > 0 || engine is not IBuildEngine9 grantor) return;
        try
        {
            Count = _granted = Math.Max(1, grantor.RequestCores(Environment.ProcessorCount));
            _engine = grantor;
        }
        catch (NotImplementedException)
        {
            // Hosts outside the build process cannot be asked.
        }
    }

    public int Count { get; }

    public void Release()
    {
        if (_granted > 0) _engine?.ReleaseCores(_granted);
        _granted = 0;
    }
}
