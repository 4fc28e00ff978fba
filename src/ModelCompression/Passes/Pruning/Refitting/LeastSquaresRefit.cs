using ModelCompression.Analysis.Costs;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Passes.Simplification;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Pruning.Refitting;

/// <summary>Refits the weights behind removed channels so that each layer returns what it returned before, as well as the channels that stayed allow.</summary>
/// <remarks>
/// <para>In graph order, each Conv, Gemm and MatMul whose input has changed gets W = argmin ‖Y − (X·W + b)‖² + λ‖W − W₀‖²: Y are the outputs of the original (in the channels that stayed), X
/// the inputs it has in the pruned and so far refitted model, W₀ its weights as they were cut; convolutions through their im2col rows. Where Y is added to another branch, the sum is what is
/// fitted. λ is the one whose fit to one half of the samples has the least error on the other half; if none beats W₀, only the bias is estimated anew.</para>
/// <para>He, Zhang, Sun, "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017 (reconstruction on the pruned prefix, sums of branches); Luo, Wu, Lin, "ThiNet", ICCV 2017.</para>
/// </remarks>
/// <param name="source">Runs the calibration data.</param>
/// <param name="cancellation">Stops the work.</param>
internal sealed class LeastSquaresRefit(IStatisticsSource source, CancellationToken cancellation)
{
    /// <summary>Multiply-accumulate operations that all rounds together may take; beyond it fewer samples run per round, and then several layers share a round.</summary>
    private const double WorkBudget = 2e12;

    private const int MinSamples = 24;

    /// <summary>Rows per column of the fit: more tell little new.</summary>
    private const int RowsPerColumn = 24;

    /// <summary>Longer rows take too long to factor; such a layer only gets a new bias by its neighbours' fits.</summary>
    private const int MaxWidth = 4096;

    private (Model Model, IReadOnlyDictionary<Value, Value> Values) original;

    /// <summary>Keeps the model as it is before surgery.</summary>
    /// <returns>Why the model cannot be refitted, or null.</returns>
    public string? Remember(Model model)
    {
        try
        {
            original = GraphCopy.Whole(model);
            return null;
        }
        catch (NotSupportedException e)
        {
            return e.Message;
        }
    }

    /// <summary>Refits after surgery.</summary>
    public IReadOnlyList<RefitRecord> Run(Model model, CompressionSettings settings, ChannelRemoval removal)
    {
        var sites = Sites(model, settings, removal);
        var records = new List<RefitRecord>();
        if (sites.Count == 0) return records;
        int rounds = sites.Count;
        double work = 0.5 * 2 * Math.Max(1, CostModel.Measure(original.Model, new Dictionary<string, Shape>()).Macs);
        int samples = (int)Math.Clamp(WorkBudget / (work * rounds), Math.Min(MinSamples, source.SampleCount), source.SampleCount);
        rounds = Math.Clamp((int)(WorkBudget / (work * samples)), 1, rounds);
        int perRound = (sites.Count + rounds - 1) / rounds;
        foreach (var chunk in sites.Chunk(perRound)) records.AddRange(Fit(chunk, model, removal, samples));
        return records;
    }

    private List<RefitRecord> Fit(LinearSite[] sites, Model model, ChannelRemoval removal, int samples)
    {
        cancellation.ThrowIfCancellationRequested();
        var round = new FitRound(original.Model, original.Values, model, removal);
        var plan = new StatisticsPlan { SampleLimit = samples };
        var statistics = sites.Select(s => round.Request(s, plan, Math.Max(16, RowsPerColumn * Columns(s) / samples))).ToArray();
        source.Collect(round.Twin, plan, cancellation);
        var records = new List<RefitRecord>();
        for (int i = 0; i < sites.Length; i++)
            if (statistics[i] is { IsConsistent: true, SampleCount: > 0, XWidth: > 0 } && Apply(sites[i], statistics[i]) is { } record) records.Add(record);
        return records;
    }

    private static int Columns(LinearSite site) => site.Weight.TryGetConstant(out var w) ? (int)(w.ElementCount / w.Dims[site.RowsPerOutput ? 0 : w.Rank - 1]) : 1;

    /// <summary>Writes fitted weights into the model.</summary>
    private static RefitRecord? Apply(LinearSite site, RegressionStatistic statistic)
    {
        if (!site.Weight.TryGetConstant(out var old)) return null;
        int k = statistic.XWidth, m = statistic.YWidth;
        var before = old.AsSpan<float>();
        var weights = new float[before.Length];
        var bias = new float[m * statistic.Groups];
        double errorBefore = 0, errorAfter = 0, energy = 0;
        for (int g = 0; g < statistic.Groups; g++)
        {
            var prior = new double[k * m];
            for (int i = 0; i < k; i++)
                for (int j = 0; j < m; j++) prior[(i * m) + j] = before[At(i, j, g)];
            var fit = LinearFit.Fit(statistic, g, prior, site.Bias is not null);
            for (int i = 0; i < k; i++)
                for (int j = 0; j < m; j++) weights[At(i, j, g)] = (float)fit.Weights[(i * m) + j];
            for (int j = 0; j < m && fit.Bias is not null; j++) bias[(g * m) + j] = (float)fit.Bias[j];
            (errorBefore, errorAfter, energy) = (errorBefore + fit.ErrorBefore, errorAfter + fit.ErrorAfter, energy + fit.Energy);
        }

        if (!weights.All(float.IsFinite) || !bias.All(float.IsFinite)) return null;
        ConstantStorage.Replace(site.Weight, Tensor.Float(old.Dims, weights));
        if (site.Bias is { } b && b.TryGetConstant(out var shape)) ConstantStorage.Replace(b, Tensor.Float(shape.Dims, bias));
        return new(site.Weight, Math.Sqrt(errorBefore / energy), Math.Sqrt(errorAfter / energy));

        int At(int input, int output, int group) => site.RowsPerOutput ? (((group * m) + output) * k) + input : (input * m) + output;
    }

    /// <summary>The operators to refit, in graph order: those behind a removal.</summary>
    private List<LinearSite> Sites(Model model, CompressionSettings settings, ChannelRemoval removal)
    {
        var changed = removal.Axes.Select(a => a.Value).ToHashSet();
        var sites = new List<LinearSite>();
        foreach (var node in model.Graph.Nodes)
        {
            bool isBehind = node.Inputs.Any(i => i is not null && i.Producer is not null && !i.TryGetConstant(out _) && changed.Contains(i)) || node.Subgraphs.Any();
            if (isBehind)
                foreach (var output in node.Outputs)
                    if (output is not null) changed.Add(output);
            if (!isBehind || settings.For(node).Compensation == Compensation.None || settings.ReasonToSkip(node) is not null) continue;
            if (LinearSite.TryCreate(node) is { } site && Columns(site) <= MaxWidth && original.Values.ContainsKey(site.Y)) sites.Add(site);
        }

        return sites;
    }
}

/// <summary>How well a weight was refitted.</summary>
/// <param name="Weight">The weight.</param>
/// <param name="ErrorBefore">Norm of the layer's error relative to its output, with the best bias.</param>
/// <param name="ErrorAfter">The same after the refit.</param>
internal sealed record RefitRecord(Value Weight, double ErrorBefore, double ErrorAfter);
