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

    /// <summary>Mini-batches whose gradients are taken together: products of factors then update their moments while these are in the cache.</summary>
    private const int RoundLength = 8;

    /// <summary>Shows the gradients of each mini-batch, in order.</summary>
    /// <param name="model">The model.</param>
    /// <param name="weights">Floating point constants of the main graph.</param>
    /// <param name="gateAxes">Per weight an axis to get the gradients of factors on its positions instead of that of the weight; null for none.</param>
    /// <param name="visit">Takes the gradients; they are reused for the next mini-batches.</param>
    /// <param name="cancellation">Stops between mini-batches.</param>
    /// <returns>Per weight, whether the loss depends on it.</returns>
    /// <exception cref="DiagnosticException">MCB3020 no labels, MCB3021 not enough mini-batches, MCB4062 a gradient is no finite number.</exception>
    public IReadOnlyList<bool> Visit(Model model, IReadOnlyList<Value> weights, IReadOnlyList<int?>? gateAxes, Action<MiniBatchGradients> visit, CancellationToken cancellation) =>
        Run(model, weights, gateAxes, (losses, round) =>
        {
            for (int t = 0; t < round.Count; t++)
            {
                var batch = round[t];
                if (FindNotFinite(losses, Enumerable.Range(0, weights.Count).Select(i => batch.IsFinite(i) ? -1 : t), t + 1) is { } found) return found;
                visit(batch);
            }

            return null;
        }, cancellation);

    /// <summary>Mean and deviation of the gradient of each weight.</summary>
    /// <param name="model">The model.</param>
    /// <param name="weights">Floating point constants of the main graph.</param>
    /// <param name="cancellation">Stops between mini-batches.</param>
    /// <returns>Per weight its moments, and whether the loss depends on it.</returns>
    /// <exception cref="DiagnosticException">MCB3020 no labels, MCB3021 not enough mini-batches, MCB4062 a gradient is no finite number.</exception>
    public IReadOnlyList<(GradientMoments Moments, bool IsReached)> Moments(Model model, IReadOnlyList<Value> weights, CancellationToken cancellation)
    {
        var moments = weights.Select(w => new GradientMoments(Length(w, null))).ToArray();
        var bad = new int[weights.Count];
        var reached = Run(model, weights, null, (losses, round) =>
        {
            Parallel.For(0, moments.Length, i => bad[i] = moments[i].Add(round, i));
            return FindNotFinite(losses, bad, round.Count);
        }, cancellation);
        return [.. moments.Zip(reached)];
    }

    /// <summary>Runs mini-batches in rounds, which do not matter for the result; inside, side by side.</summary>
    private IReadOnlyList<bool> Run(Model model, IReadOnlyList<Value> weights, IReadOnlyList<int?>? gateAxes, Func<double[], IReadOnlyList<MiniBatchGradients>, NotFiniteGradient?> visit, CancellationToken cancellation)
    {
        var batches = MiniBatches.ForStatistics(source.FeedCount, options.GradientIterations, options.Seed, source.IsRandomAccess) ?? throw TooFew(source.FeedCount, options.GradientIterations);
        using var session = source.Open(model, weights, source.NaturalLoss ?? TrainingLoss.Labels, gateAxes: gateAxes, splitsMatrices: gateAxes is null);
        int[] lengths = [.. weights.Select((w, i) => Length(w, gateAxes?[i]))];
        long room = MaxElements / Math.Max(1, lengths.Sum(l => (long)l));
        int width = (int)Math.Clamp(room, 1, source.Parallelism), roundLength = (int)Math.Clamp(room / width * width, width, Math.Max(width, RoundLength / width * width));
        var round = Enumerable.Range(0, roundLength).Select(_ => new MiniBatchGradients(lengths)).ToList();
        for (int first = 0; first < batches.Count; first += roundLength)
        {
            var losses = new double[Math.Min(roundLength, batches.Count - first)];
            for (int start = 0; start < losses.Length; start += width)
            {
                log?.Progress("gradients", first + start, batches.Count);
                int begin = start;
                RunSideBySide(Math.Min(width, losses.Length - start), i => losses[begin + i] = session.Collect(batches[first + begin + i], round[begin + i], cancellation));
            }

            if (visit(losses, round[..losses.Length]) is { } found) throw found.Explain(first, batches, weights, feeds => AreFinite(session, feeds, lengths), source);
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

    /// <summary>The first mini-batch of a round in which something is no finite number, or null.</summary>
    /// <param name="losses">Losses of the round.</param>
    /// <param name="bad">Per weight the first mini-batch in which its gradient is not finite, or -1.</param>
    /// <param name="count">Mini-batches to look at.</param>
    private static NotFiniteGradient? FindNotFinite(double[] losses, IEnumerable<int> bad, int count)
    {
        int loss = Array.FindIndex(losses, 0, count, l => !double.IsFinite(l));
        var gradient = bad.Select((batch, weight) => (Batch: batch, Weight: weight)).Where(b => b.Batch >= 0).OrderBy(b => b.Batch).FirstOrDefault((Batch: count, Weight: -1));
        if (loss >= 0 && loss <= gradient.Batch) return new(loss, null);
        return gradient.Batch < count ? new(gradient.Batch, gradient.Weight) : null;
    }

    /// <summary>True if loss and gradients of some feeds alone are finite.</summary>
    private static bool AreFinite(IGradientSession session, IReadOnlyList<int> feeds, int[] lengths)
    {
        var gradients = new MiniBatchGradients(lengths);
        return double.IsFinite(session.Collect(feeds, gradients)) && Enumerable.Range(0, lengths.Length).All(gradients.IsFinite);
    }

    private static int Length(Value weight, int? axis) => weight.TryGetConstant(out var tensor) ? checked((int)(axis is { } a ? tensor.Dims[a] : tensor.ElementCount)) : throw new ArgumentException($"'{weight.Name}' is no constant.");

    private static DiagnosticException TooFew(int feeds, int? wanted) => new("MCB3021", wanted is { } count
        ? FormattableString.Invariant($"GradientIterations asks for {count} mini-batches, but TrainingData has {feeds} samples only. Give more samples or lower GradientIterations.")
        : FormattableString.Invariant($"TrainingData has {feeds} sample, but statistics of gradients need at least 2 mini-batches. Give more samples."));
}
