using System.Runtime.ExceptionServices;
using ModelCompression.Gradients;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Pruning.ByGradient;

/// <summary>Computes the gradients of weights for T mini-batches of the training data.</summary>
/// <param name="source">Gradients of the model.</param>
/// <param name="options">Number of mini-batches and seed.</param>
/// <param name="log">Takes the progress, or null.</param>
internal sealed class GradientSampler(IGradientSource source, CompressionOptions options, PassLog? log = null)
{
    /// <summary>Gradient elements in memory, 1 GiB.</summary>
    private const long MaxElements = 1 << 28;

    /// <summary>Shows the gradients of each mini-batch, in order.</summary>
    /// <param name="model">The model.</param>
    /// <param name="weights">Binary32 constants of the main graph.</param>
    /// <param name="gateAxes">Per weight an axis to get the gradients of factors on its positions instead of that of the weight; null for none.</param>
    /// <param name="visit">Takes one array per weight; they are reused for the next mini-batch.</param>
    /// <param name="cancellation">Stops between mini-batches.</param>
    /// <returns>Per weight, whether the loss depends on it.</returns>
    /// <exception cref="DiagnosticException">MCB3020 no labels, MCB3021 not enough mini-batches, MCB4062 a gradient is no finite number.</exception>
    public IReadOnlyList<bool> Visit(Model model, IReadOnlyList<Value> weights, IReadOnlyList<int?>? gateAxes, Action<float[][]> visit, CancellationToken cancellation)
    {
        var batches = MiniBatches.ForStatistics(source.FeedCount, options.GradientIterations, options.Seed, source.IsRandomAccess) ?? throw TooFew(source.FeedCount, options.GradientIterations);
        using var session = source.Open(model, weights, source.NaturalLoss ?? TrainingLoss.Labels, gateAxes: gateAxes);
        int[] lengths = [.. weights.Select((w, i) => Length(w, gateAxes?[i]))];
        long length = lengths.Sum(l => (long)l);
        // Side by side, each mini-batch has its gradients in memory; they are shown in order, so the result does not depend on it.
        int width = (int)Math.Clamp(MaxElements / Math.Max(1, length), 1, source.Parallelism);
        float[][][] gradients = [.. Enumerable.Range(0, width).Select(_ => lengths.Select(l => new float[l]).ToArray())];
        for (int first = 0; first < batches.Count; first += width)
        {
            log?.Progress("gradients", first, batches.Count);
            var losses = new double[Math.Min(width, batches.Count - first)];
            RunSideBySide(losses.Length, i => losses[i] = session.Run(batches[first + i], gradients[i], cancellation));
            for (int i = 0; i < losses.Length; i++)
            {
                RequireFinite(first + i, losses[i], weights, gradients[i]);
                visit(gradients[i]);
            }
        }

        return session.Reached;
    }

    private static void RunSideBySide(int count, Action<int> run)
    {
        try
        {
            Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = count }, run);
        }
        catch (AggregateException e)
        {
            // The first cause as it was thrown: the caller knows diagnostics and cancellation.
            ExceptionDispatchInfo.Throw(e.Flatten().InnerExceptions[0]);
        }
    }

    private static void RequireFinite(int batch, double loss, IReadOnlyList<Value> weights, float[][] gradients)
    {
        if (!double.IsFinite(loss)) throw NotFinite(batch, "the loss");
        for (int i = 0; i < weights.Count; i++)
            if (!AreFinite(gradients[i])) throw NotFinite(batch, $"the gradient of '{weights[i].Name}'");
    }

    private static int Length(Value weight, int? axis) => weight.TryGetConstant(out var tensor) ? checked((int)(axis is { } a ? tensor.Dims[a] : tensor.ElementCount)) : throw new ArgumentException($"'{weight.Name}' is no constant.");

    private static bool AreFinite(ReadOnlySpan<float> values)
    {
        // Infinities and NaN times zero are NaN, which a sum keeps.
        var sum = System.Numerics.Vector<float>.Zero;
        int i = 0;
        for (; i <= values.Length - System.Numerics.Vector<float>.Count; i += System.Numerics.Vector<float>.Count) sum += new System.Numerics.Vector<float>(values[i..]) * System.Numerics.Vector<float>.Zero;
        float total = System.Numerics.Vector.Sum(sum);
        for (; i < values.Length; i++) total += values[i] * 0;
        return !float.IsNaN(total);
    }

    private static DiagnosticException TooFew(int feeds, int? wanted) => new("MCB3021", wanted is { } count
        ? FormattableString.Invariant($"GradientIterations asks for {count} mini-batches, but TrainingData has {feeds} samples only. Give more samples or lower GradientIterations.")
        : FormattableString.Invariant($"TrainingData has {feeds} sample, but statistics of gradients need at least 2 mini-batches. Give more samples."));

    private static DiagnosticException NotFinite(int batch, string what) => new("MCB4062",
        FormattableString.Invariant($"In mini-batch {batch} {what} is not a finite number. Check the training data for NaN and for values out of the range that the model was trained with, or choose a criterion that needs no gradients (Pruning=Magnitude)."));
}
