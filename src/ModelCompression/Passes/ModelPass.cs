using System.Runtime.ExceptionServices;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes;

/// <summary>A transformation of a model. It decides first (plan), then edits; it never leaves the graph half-edited.</summary>
public abstract class ModelPass
{
    /// <summary>Name in reports: <c>&lt;Verb&gt;&lt;Object&gt;</c>.</summary>
    public string Name => GetType().Name;

    /// <summary>Runs the pass and verifies the graph around it.</summary>
    /// <exception cref="InvalidOperationException">The graph is inconsistent before or after: a defect of ours.</exception>
    public void Run(Model model, CompressionSettings settings, PassLog log)
    {
        Check(model, "before");
        ApplyOrStop(model, settings, log);
        Check(model, "after");
    }

    /// <summary>Runs the pass on a graph that was verified after its last edit, and verifies it again if the pass edits it.</summary>
    /// <returns>True if the pass edited the graph.</returns>
    /// <exception cref="InvalidOperationException">The graph is inconsistent afterwards: a defect of ours.</exception>
    internal bool RunOnVerified(Model model, CompressionSettings settings, PassLog log)
    {
        int before = log.Edits.Count;
        ApplyOrStop(model, settings, log);
        bool edited = log.Edits.Skip(before).Any(e => e.Applied);
        if (edited) Check(model, "after");
        return edited;
    }

    /// <summary>Runs the pass on a model that nobody will read, to see how many bytes it takes: nothing is verified or logged.</summary>
    internal void RunForSize(Model model, CompressionSettings settings) => ApplyOrStop(model, settings, new PassLog());

    /// <summary>Does the work.</summary>
    protected abstract void Apply(Model model, CompressionSettings settings, PassLog log);

    /// <summary>In a loop on several threads each of them meets the end of a cancelled run where it waits for what the model computes; the caller meets one.</summary>
    private void ApplyOrStop(Model model, CompressionSettings settings, PassLog log)
    {
        try
        {
            Apply(model, settings, log);
        }
        catch (AggregateException e) when (e.Flatten().InnerExceptions.FirstOrDefault(i => i is OperationCanceledException) is { } stopped)
        {
            ExceptionDispatchInfo.Throw(stopped);
        }
    }

    private void Check(Model model, string moment)
    {
        if (GraphVerifier.Verify(model) is { Count: > 0 } problems)
            throw new InvalidOperationException($"The graph is inconsistent {moment} {Name}: {string.Join(" ", problems.Take(3))}");
    }
}
