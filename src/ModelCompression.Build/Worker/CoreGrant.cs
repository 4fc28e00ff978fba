using System;
using Microsoft.Build.Framework;

namespace ModelCompression.Build.Worker;

/// <summary>The number of threads the worker may use: what the user says, else what the build grants this task.</summary>
internal static class CoreGrant
{
    /// <param name="engine">The build. It takes the cores back by itself when the task ends or yields its node.</param>
    /// <param name="wanted">A fixed number, or 0 to ask the build for as many as the machine has.</param>
    public static int Request(IBuildEngine engine, int wanted)
    {
        if (wanted > 0) return wanted;
        try
        {
            return engine is IBuildEngine9 grantor ? Math.Max(1, grantor.RequestCores(Environment.ProcessorCount)) : Environment.ProcessorCount;
        }
        catch (NotImplementedException)
        {
            // What MSBuild's task host, a process beside the build that runs a task of another runtime or architecture, throws for all that manages resources.
            return Environment.ProcessorCount;
        }
    }
}
