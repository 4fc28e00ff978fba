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
    /// <summary>Shows the gradients of each mini-batch, in order.</summary>
    /// <param name="model">The model.</param>
    /// <param name="weights">Binary32 constants of the main graph.</param>
    /// <param name="visit">Takes one array per weight; they are reused for the next mini-batch.</param>
    /// <param name="cancellation">Stops between mini-batches.</param>
    /// <returns>Per weight, whether the loss depends on it.</returns>
    /// <exception cref="DiagnosticException">MCB3020 no labels, MCB3021 not enough mini-batches, MCB4062 a gradient is no finite number.</exception>
    public IReadOnlyList<bool> Visit(Model model, IReadOnlyList<Value> weights, Action<float[][]> visit, CancellationToken cancellation)
    {
        var batches = MiniBatches.ForStatistics(source.FeedCount, options.GradientIterations, options.Seed, source.IsRandomAccess) ?? throw TooFew(source.FeedCount, options.GradientIterations);
        using var session = source.Open(model, weights, source.NaturalLoss ?? TrainingLoss.Labels);
        float[][] gradients = [.. weights.Select(w => new float[Length(w)])];
        for (int t = 0; t < batches.Count; t++)
        {
            log?.Progress("gradients", t, batches.Count);
            double loss = session.Run(batches[t], gradients, cancellation);
            for (int i = 0; i < weights.Count; i++)
                if (!double.IsFinite(loss) || !AreFinite(gradients[i])) throw NotFinite(t, double.IsFinite(loss) ? $"the gradient of '{weights[i].Name}'" : "the loss");
            visit(gradients);
        }

        return session.Reached;
    }

    private static int Length(Value weight) => weight.TryGetConstant(out var tensor) ? checked((int)tensor.ElementCount) : throw new ArgumentException($"'{weight.Name}' is no constant.");

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
