using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Runtime.Fidelity;

/// <summary>Runs the original on a few samples and keeps what it returns.</summary>
internal static class OriginalRunner
{
    private const long MaxKeptByteLength = 64L << 20;

    /// <summary>Opens, runs and closes the original.</summary>
    /// <param name="path">Model file.</param>
    /// <param name="samples">What to feed.</param>
    /// <param name="maxSamples">Most samples to run; with more at hand they are taken at even distances.</param>
    /// <param name="settings">How to open it.</param>
    /// <param name="weights">Its weights to be lent to the session, or null.</param>
    /// <param name="cancellation">Stops between samples.</param>
    public static OriginalRun Run(string path, SampleSource samples, int maxSamples, SessionSettings settings, LentWeights? weights, CancellationToken cancellation)
    {
        var run = RunOnce(path, samples, maxSamples, settings, weights, cancellation);
        // Nearly every kernel takes a weight from an input as well as from a constant. Where one does not, the model is opened as it is.
        return run.Status == OriginalStatus.Ran || run.Status == OriginalStatus.Refused || weights is null ? run : RunOnce(path, samples, maxSamples, settings, null, cancellation);
    }

    /// <summary>Up to <paramref name="max"/> indices below <paramref name="count"/> at even distances, the first included.</summary>
    internal static int[] Spread(int count, int max) =>
        [.. Enumerable.Range(0, Math.Min(count, max)).Select(i => (int)((long)i * count / Math.Min(count, max)))];

    private static OriginalRun RunOnce(string path, SampleSource samples, int maxSamples, SessionSettings settings, LentWeights? weights, CancellationToken cancellation)
    {
        ModelSession session;
        try
        {
            session = Open(path, settings, weights);
        }
        catch (DiagnosticException e) when (e.Diagnostic.Code == "MCB2040")
        {
            return new OriginalRun(OriginalStatus.Refused) { Problem = EnvironmentError.OrElse(e) };
        }

        try
        {
            return samples.Count == 0
                ? OnlyLoads(session, samples.Refusal ?? "there are no samples")
                : RunAttempts(session, samples, maxSamples, cancellation);
        }
        finally
        {
            session.Dispose();
            NativeHeap.Trim();
        }
    }

    /// <summary>Lending weights is a saving that may fail, as for a single weight of more than 2 GiB. Some nodes have no kernel but are folded away by the optimizer: only the way an application opens the model decides.</summary>
    private static ModelSession Open(string path, SessionSettings settings, LentWeights? weights)
    {
        try
        {
            return weights is null ? ModelSession.Open(path, settings, ModelRole.Original) : ModelSession.Open(path, settings, ModelRole.Original, weights);
        }
        catch (DiagnosticException) when (weights is not null)
        {
            return Open(path, settings, null);
        }
        catch (DiagnosticException e) when (e.Diagnostic.Code == "MCB2040" && !settings.Optimize)
        {
            return ModelSession.Open(path, SessionSettings.Default with { Threads = settings.Threads }, ModelRole.Original);
        }
    }

    private static OriginalRun RunAttempts(ModelSession session, SampleSource samples, int maxSamples, CancellationToken cancellation)
    {
        int[] indices = Spread(samples.Count, maxSamples);
        if (SampleAttempts.First(samples, attempt => RunSamples(session, samples, attempt, indices, cancellation), r => r.OutputsVary, out var first) is { } run) return run;
        var problem = first!.Diagnostic;
        return samples.Origin == SampleOrigin.Synthetic
            ? OnlyLoads(session, $"it does not run on synthetic inputs: {RuntimeError.OneLine(first.InnerException?.Message ?? problem.Message)}")
            : new OriginalRun(OriginalStatus.FailsOnData) { Problem = EnvironmentError.OrElse(first), Interface = session.Interface };
    }

    private static OriginalRun RunSamples(ModelSession session, SampleSource samples, int attempt, int[] indices, CancellationToken cancellation)
    {
        var outputs = new List<IReadOnlyList<NamedValue>>();
        long kept = 0;
        foreach (int index in indices)
        {
            cancellation.ThrowIfCancellationRequested();
            if (kept >= MaxKeptByteLength) break;
            outputs.Add(session.Run(samples.Read(attempt, index).Inputs));
            kept += FlatOutputs.Of(outputs[^1]).Sum(o => o.Tensor?.ByteLength ?? 0);
        }

        return new OriginalRun(OriginalStatus.Ran)
        {
            Interface = session.Interface,
            Attempt = attempt,
            SampleIndices = indices[..outputs.Count],
            Outputs = outputs,
            OutputsVary = OutputVariation.IsSeen(outputs),
        };
    }

    private static OriginalRun OnlyLoads(ModelSession session, string reason) =>
        new(OriginalStatus.OnlyLoads) { Interface = session.Interface, Reason = $"only loading was checked: {reason}" };
}
