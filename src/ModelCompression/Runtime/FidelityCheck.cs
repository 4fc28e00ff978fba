using ModelCompression.Analysis;
using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Onnx.Threading;
using ModelCompression.Runtime.Fidelity;

namespace ModelCompression.Runtime;

/// <summary>
/// Runs the original and the compressed model on the same inputs before anything is called done. The original runs on its own thread while the
/// compression works, and is closed before the compressed model is opened, so that the two are never in memory together.
/// </summary>
/// <remarks>
/// The original is opened without graph optimization where that gives the same values (milliseconds instead of a third of a second for a 400 MB model);
/// a model that is quantized already is opened like the compressed one, since fused integer kernels round differently from the operators they replace.
/// The compressed model is always opened as an application would, since that is where a wrong pattern would be fused wrongly;
/// only large weights are mapped from its file instead of being parsed and copied with it (<see cref="ModelSession.OpenMapped"/>).
/// Both use a fixed number of threads, so that the figures do not depend on the machine's.
/// </remarks>
public sealed class FidelityCheck
{
    /// <summary>Most samples compared when data is given.</summary>
    public const int DefaultMaxSamples = 16;

    private const int ThreadCount = 2;

    /// <summary>From here on samples run side by side, one thread each, which is faster than two threads inside operators.</summary>
    private const int FewSamples = 4;

    private const long MinReleasedByteLength = 1L << 20;

    private readonly SampleSource samples;
    private readonly string? randomOperator;
    private readonly string originalPath;
    private readonly Task<OriginalRun> original;
    private readonly IReadOnlyList<TensorData> weights;

    private FidelityCheck(string originalPath, Model model, SampleSource samples, string? randomOperator, Task<OriginalRun> original)
    {
        weights = [.. model.Graph.Initializers.Select(i => i.Initializer).OfType<Tensor>().Where(t => t.ByteLength >= MinReleasedByteLength).Select(t => t.Data)];
        this.originalPath = originalPath;
        this.samples = samples;
        this.randomOperator = randomOperator;
        this.original = original;
    }

    /// <summary>What the original did; waits for it.</summary>
    /// <exception cref="DiagnosticException">The data cannot be read (MCB3xxx) or ONNX Runtime is missing (MCB9040).</exception>
    public OriginalRun Original => original.GetAwaiter().GetResult();

    /// <summary>Starts running the original. The graph is read before this returns and may be edited at once.</summary>
    /// <param name="originalPath">Model file; it must stay as it is until <see cref="Original"/> is there.</param>
    /// <param name="model">Its graph, to stay open until <see cref="Original"/> is there.</param>
    /// <param name="samples">What to feed: data, or <see cref="SyntheticInputs"/>.</param>
    /// <param name="maxSamples">Most samples to compare.</param>
    /// <param name="optimizes">True to open the original as the other model is opened, so that a model compared with itself gives the same bits.</param>
    /// <param name="cancellation">Stops between samples.</param>
    public static FidelityCheck Start(string originalPath, Model model, SampleSource samples, int maxSamples = DefaultMaxSamples, bool optimizes = false, CancellationToken cancellation = default)
    {
        var settings = (optimizes || IsQuantized(model) ? SessionSettings.Default with { ReuseMemory = false } : SessionSettings.Lean) with { Threads = ThreadCount };
        string? randomOperator = RandomOperators.FirstIn(model);
        var weights = settings.PrepackWeights ? null : LentWeights.Of(model);
        // Calibration keeps all cores busy, and needs the same samples' runs sooner than anybody needs these.
        OriginalRun Run() => OriginalRunner.Run(originalPath, samples, maxSamples, settings, weights, cancellation);
        var run = samples.Origin == SampleOrigin.Calibration ? Aside.Run(Run) : Task.Run(Run, cancellation);
        return new FidelityCheck(originalPath, model, samples, randomOperator, run);
    }

    /// <summary>Opens the compressed model, runs it on the samples the original ran, and compares. May be called several times.</summary>
    /// <param name="compressedPath">Model file.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <returns>The result; anything wrong with the compressed model is in its errors.</returns>
    /// <exception cref="InvalidOperationException">The original was refused or does not run on its data: see <see cref="Original"/> first.</exception>
    public FidelityResult Compare(string compressedPath, CancellationToken cancellation = default)
    {
        var run = Original;
        ReleasePages();
        if (run.Interface is null || run.Status is not (OriginalStatus.Ran or OriginalStatus.OnlyLoads))
            throw new InvalidOperationException($"The original was not run ({run.Status}); there is nothing to compare with.");
        int sideBySide = run.SampleIndices.Count < FewSamples ? 1 : ThreadCount;
        var settings = SessionSettings.Default with { Threads = ThreadCount / sideBySide, ReuseMemory = false };
        try
        {
            return Compare(run, compressedPath, settings, sideBySide, cancellation);
        }
        catch (DiagnosticException e) when (e.Diagnostic.Code is "MCB4040" or "MCB4041")
        {
            return Failure(run, EnvironmentError.Of(e) ?? OriginalFailsToo(run) ?? e.Diagnostic);
        }
    }

    /// <summary>What has been read of the original counts as memory of this process until it is released; nobody needs it while the compressed model runs.</summary>
    private void ReleasePages()
    {
        try
        {
            foreach (var data in weights) data.ReleasePages();
        }
        catch (ObjectDisposedException)
        {
            // The model has been closed: better still.
        }
    }

    private FidelityResult Compare(OriginalRun run, string compressedPath, SessionSettings settings, int sideBySide, CancellationToken cancellation)
    {
        using var session = ModelSession.OpenMapped(compressedPath, settings, ModelRole.Compressed);
        return InterfaceComparison.FindDifference(run.Interface!, session.Interface) is { } difference
            ? Failure(run, difference)
            : CompareOutputs(run, session, sideBySide, cancellation);
    }

    private FidelityResult CompareOutputs(OriginalRun run, ModelSession session, int sideBySide, CancellationToken cancellation)
    {
        var comparison = new OutputComparison();
        foreach (int[] indices in Enumerable.Range(0, run.SampleIndices.Count).Chunk(sideBySide))
        {
            var outputs = new IReadOnlyList<NamedValue>[indices.Length];
            Evaluator.InParallel(indices.Length, sideBySide, i => samples.Read(run.Attempt, run.SampleIndices[indices[i]]), (i, sample) => outputs[i] = session.Run(sample.Inputs), cancellation);
            for (int i = 0; i < indices.Length && randomOperator is null; i++) comparison.Add(run.SampleIndices[indices[i]], run.Outputs[indices[i]], outputs[i]);
        }

        string? reason = run.Reason ?? (randomOperator is null ? null : $"outputs were not compared: {randomOperator} gives other values at each run");
        return comparison.Summarize(samples.Origin, run.SampleIndices.Count, reason) with { OutputsVary = run.OutputsVary };
    }

    /// <summary>A model that fails in the same way when optimized, as an application opens it, was broken before it was compressed.</summary>
    private Diagnostic? OriginalFailsToo(OriginalRun run)
    {
        try
        {
            using var session = ModelSession.Open(originalPath, SessionSettings.Default, ModelRole.Original);
            if (run.SampleIndices.Count > 0) session.Run(samples.Read(run.Attempt, run.SampleIndices[0]).Inputs);
            return null;
        }
        catch (DiagnosticException e) when (e.Diagnostic.Code is "MCB2040" or "MCB2041")
        {
            return EnvironmentError.OrElse(e);
        }
    }

    private FidelityResult Failure(OriginalRun run, Diagnostic error) =>
        new() { Inputs = samples.Origin, Samples = 0, Reason = run.Reason, Errors = [error] };

    private static bool IsQuantized(Model model) => model.AllGraphs().SelectMany(g => g.Nodes).Any(n =>
        n.OpType is "DequantizeLinear" or "QuantizeLinear" or "DynamicQuantizeLinear" or "MatMulNBits" || n.OpType.StartsWith("QLinear", StringComparison.Ordinal));
}
