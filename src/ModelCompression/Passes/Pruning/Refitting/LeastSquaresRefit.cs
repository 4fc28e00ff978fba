using ModelCompression.Analysis.Costs;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Pruning.Refitting;

/// <summary>Refits weights after pruning so that each layer returns what it returned before, as well as what stayed of it allows.</summary>
/// <remarks>
/// <para>In graph order, each Conv, Gemm and MatMul whose input or weights have changed gets W = argmin ‖Y − (X·W + b)‖² + λ‖W − W₀‖²: Y are the outputs of the original (in the channels that stayed), X
/// the inputs it has in the pruned and so far refitted model, W₀ its weights as they were cut; convolutions through their im2col rows. Where Y is added to another branch, the sum is what is
/// fitted. λ is the one whose fit to one half of the samples has the least error on the other half; if none beats W₀, only the bias is estimated anew.
/// Elements that were pruned stay zero.</para>
/// <para>He, Zhang, Sun, "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017 (reconstruction on the pruned prefix, sums of branches); Luo, Wu, Lin, "ThiNet", ICCV 2017.</para>
/// </remarks>
/// <param name="source">Runs the calibration data.</param>
/// <param name="unpruned">The model before surgery, which is copied.</param>
/// <param name="cancellation">Stops the work.</param>
internal sealed class LeastSquaresRefit(IStatisticsSource source, Model unpruned, CancellationToken cancellation)
{
    /// <summary>Multiply-accumulate operations that all rounds together may take; beyond it fewer samples run per round, and then several layers share a round.</summary>
    private const double WorkBudget = 2e12;

    private const int MinSamples = 24;

    /// <summary>Rows per column of the fit: more tell little new.</summary>
    private const int RowsPerColumn = 24;

    private readonly ModelCopy original = ModelCopy.Of(unpruned);

    /// <summary>The operators behind a removal, in graph order: those to refit.</summary>
    public static IReadOnlyList<RefitTarget> Behind(Model model, CompressionSettings settings, ChannelRemoval removal)
    {
        var changed = removal.Axes.Select(a => a.Value).ToHashSet();
        var targets = new List<RefitTarget>();
        foreach (var node in model.Graph.Nodes)
        {
            bool isBehind = node.Inputs.Any(i => i is not null && i.Producer is not null && !i.TryGetConstant(out _) && changed.Contains(i)) || node.Subgraphs.Any();
            if (isBehind)
                foreach (var output in node.Outputs)
                    if (output is not null) changed.Add(output);
            if (!isBehind || settings.For(node).Compensation == Compensation.None || settings.ReasonToSkip(node) is not null) continue;
            if (LinearSite.TryCreate(node) is { } site && new RefitTarget(site) is { IsAffordable: true } target) targets.Add(target);
        }

        return targets;
    }

    /// <summary>Refits operators in the given order, which is that of the graph.</summary>
    /// <param name="model">The pruned model.</param>
    /// <param name="targets">The operators.</param>
    /// <param name="removal">Channels that were removed, or an empty removal.</param>
    /// <returns>A record per operator that was treated.</returns>
    public IReadOnlyList<RefitRecord> Run(Model model, IReadOnlyList<RefitTarget> targets, ChannelRemoval removal)
    {
        var open = targets.Where(t => original.Values.ContainsKey(t.Linear.Y)).ToArray();
        var records = new List<RefitRecord>();
        if (open.Length == 0) return records;
        // Two models run, on average half of each.
        double work = Math.Max(1, CostModel.Measure(original.Model, new Dictionary<string, Shape>()).Macs);
        int samples = (int)Math.Clamp(WorkBudget / (work * open.Length), Math.Min(MinSamples, source.SampleCount), source.SampleCount);
        int rounds = Math.Clamp((int)(WorkBudget / (work * samples)), 1, open.Length);
        foreach (var chunk in open.Chunk((open.Length + rounds - 1) / rounds)) records.AddRange(Round(chunk, model, removal, samples));
        return records;
    }

    private List<RefitRecord> Round(RefitTarget[] targets, Model model, ChannelRemoval removal, int samples)
    {
        cancellation.ThrowIfCancellationRequested();
        var round = new FitRound(original.Model, original.Values, model, removal, cancellation);
        var plan = new StatisticsPlan { SampleLimit = samples };
        var statistics = targets.Select(t => round.Request(t, plan, Math.Max(16, RowsPerColumn * t.Matrix.Inputs / samples))).ToArray();
        source.Collect(round.Twin, plan, cancellation);
        var records = new List<RefitRecord>();
        for (int i = 0; i < targets.Length; i++)
            if (statistics[i] is { IsConsistent: true, SampleCount: > 0, XWidth: > 0 } && Apply(targets[i], statistics[i]) is { } record) records.Add(record);
        return records;
    }

    /// <summary>Writes fitted weights into the model.</summary>
    private RefitRecord? Apply(RefitTarget target, RegressionStatistic statistic)
    {
        var (site, matrix) = (target.Linear, target.Matrix);
        if (!site.Weight.TryGetConstant(out var old)) return null;
        var weights = new float[old.ElementCount];
        var bias = new float[matrix.Outputs * matrix.Groups];
        double errorBefore = 0, errorAfter = 0, energy = 0;
        for (int g = 0; g < matrix.Groups; g++)
        {
            cancellation.ThrowIfCancellationRequested();
            var columns = matrix.Columns(old.AsSpan<float>(), g);
            bool[]? removed = null;
            if (target.Choose is { } choose) (columns, removed) = choose(matrix, statistic, g, columns);
            if (target.NeedsOnlyNorms)
            {
                for (int i = 0; i < columns.Length; i++)
                    if (removed?[i] == true) columns[i] = 0;
                matrix.Write(columns, g, weights);
                continue;
            }

            var fit = LinearFit.Fit(statistic, g, columns, site.Bias is not null, removed, target.Fits, cancellation);
            matrix.Write(fit.Weights, g, weights);
            for (int j = 0; j < matrix.Outputs && fit.Bias is not null; j++) bias[(g * matrix.Outputs) + j] = (float)fit.Bias[j];
            (errorBefore, errorAfter, energy) = (errorBefore + fit.ErrorBefore, errorAfter + fit.ErrorAfter, energy + fit.Energy);
        }

        if (!weights.All(float.IsFinite) || !bias.All(float.IsFinite)) return null;
        site.Weight.SetConstant(Tensor.Float(old.Dims, weights));
        if (target.EstimatesBias && site.Bias is { } b && b.TryGetConstant(out var shape)) b.SetConstant(Tensor.Float(shape.Dims, bias));
        return target.NeedsOnlyNorms ? new(site.Weight, double.NaN, double.NaN) : new(site.Weight, Math.Sqrt(errorBefore / energy), Math.Sqrt(errorAfter / energy));
    }
}
