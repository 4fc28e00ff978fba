using ModelCompression.Analysis.Costs;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Pruning.ByActivation;

/// <summary>Removes elements of weights by what the calibration data says of their inputs, and updates the elements that stay; layer by layer, each with the inputs it has behind its pruned predecessors.</summary>
/// <param name="source">Runs the calibration data.</param>
/// <param name="cancellation">Stops the work.</param>
internal sealed class WeightUpdate(IStatisticsSource source, CancellationToken cancellation)
{
    private const double WorkBudget = 1e12;

    private const int MinSamples = 24;

    private const int RowsPerColumn = 16;

    /// <summary>Treats the targets in graph order.</summary>
    /// <returns>Per target true if it was treated; false when its inputs could not be observed.</returns>
    public bool[] Run(Model model, IReadOnlyList<UpdateTarget> targets)
    {
        var done = new bool[targets.Count];
        if (targets.Count == 0) return done;
        double work = 0.5 * Math.Max(1, CostModel.Measure(model, new Dictionary<string, Shape>()).Macs);
        int samples = (int)Math.Clamp(WorkBudget / (work * targets.Count), Math.Min(MinSamples, source.SampleCount), source.SampleCount);
        int rounds = Math.Clamp((int)(WorkBudget / (work * samples)), 1, targets.Count);
        int perRound = (targets.Count + rounds - 1) / rounds;
        for (int first = 0; first < targets.Count; first += perRound)
        {
            cancellation.ThrowIfCancellationRequested();
            Round(model, targets, first, Math.Min(perRound, targets.Count - first), samples, done);
        }

        return done;
    }

    private void Round(Model model, IReadOnlyList<UpdateTarget> targets, int first, int count, int samples, bool[] done)
    {
        var plan = new StatisticsPlan { SampleLimit = samples };
        var grams = new GramStatistic?[count];
        var energies = new RowEnergyStatistic?[count];
        for (int i = 0; i < count; i++)
        {
            var target = targets[first + i];
            int rows = Math.Max(16, RowsPerColumn * target.Matrix.Columns / samples);
            var layout = target.Matrix.Width > target.Matrix.Columns ? new RowsWithOne(target.Operator.XRows) : target.Operator.XRows;
            if (target.NeedsGram) grams[i] = plan.Need(target.Operator.X, GramStatistic.Key(layout, rows), () => new GramStatistic(layout, rows));
            else energies[i] = plan.Need(target.Operator.X, $"energy:{layout.Key}:{rows}", () => new RowEnergyStatistic(layout, rows));
        }

        source.Collect(model, plan, cancellation);
        for (int i = 0; i < count; i++)
            done[first + i] = grams[i] is { } gram ? gram is { SampleCount: > 0, IsConsistent: true } && Apply(targets[first + i], g => Input.Of(targets[first + i], gram.Matrix(g)))
                : energies[i] is { SampleCount: > 0 } energy && Apply(targets[first + i], g => Input.Of(targets[first + i], energy.Energy(g)));
    }

    private static bool Apply(UpdateTarget target, Func<int, Input?> inputOf)
    {
        var matrix = target.Matrix;
        int groups = target.Operator.XRows.Groups;
        var elements = new float[target.Before.ElementCount];
        var bias = new float[matrix.RowCount];
        for (int g = 0; g < groups; g++)
        {
            if (inputOf(g) is not { } input) return false;
            var rows = matrix.Rows(g, groups);
            Remove(target, rows, input, g, groups);
            RestoreEmpty(matrix, rows, matrix.Rows(g, groups));
            matrix.Write(g, groups, rows, elements, bias);
        }

        if (!elements.All(float.IsFinite) || !bias.All(float.IsFinite)) return false;
        WeightReplacement.Replace(target.Site.Value, Tensor.Float(target.Before.Dims, elements));
        if (target.Operator.Bias is { } b && b.TryGetConstant(out var old)) WeightReplacement.Replace(b, Tensor.Float(old.Dims, bias));
        return true;
    }

    private static void Remove(UpdateTarget target, float[] rows, Input input, int group, int groups)
    {
        var matrix = target.Matrix;
        var pattern = target.Options.PruningPattern;
        bool isNOfM = pattern.Kind == PruningPatternKind.NOfM;
        if (target.Choice == MaskChoice.SparseGpt && input.Update is { } update)
        {
            if (isNOfM) update.RemoveFromGroups(rows, matrix.Groups(pattern.M), pattern.N);
            else update.RemoveShare(rows, matrix.Columns, target.Options.Sparsity!.Value);
            return;
        }

        var removed = target.Choice == MaskChoice.Given ? Zeros(target, group, groups)
            : isNOfM ? RowSelection.AllButHighest(rows, matrix.Width, matrix.Columns, input.Energy, matrix.Groups(pattern.M), pattern.N)
            : RowSelection.LowestShare(rows, matrix.Width, matrix.Columns, input.Energy, target.Options.Sparsity!.Value);
        if (input.Update is { } obs) obs.Remove(rows, removed);
        else
            for (int i = 0; i < rows.Length; i++)
                if (removed[i]) rows[i] = 0;
    }

    /// <summary>Marks what is zero now.</summary>
    private static bool[] Zeros(UpdateTarget target, int group, int groups)
    {
        target.Site.Value.TryGetConstant(out var now);
        var rows = new WeightMatrix(target.Operator, now!).Rows(group, groups);
        int width = target.Matrix.Width;
        return [.. rows.Select((w, i) => w == 0 && i % width < target.Matrix.Columns)];
    }

    /// <summary>Gives a channel that has lost all its weights its largest one back.</summary>
    private static void RestoreEmpty(WeightMatrix matrix, float[] rows, float[] before)
    {
        for (int r = 0; r < rows.Length / matrix.Width; r++)
        {
            var row = rows.AsSpan(r * matrix.Width, matrix.Columns);
            if (row.ContainsAnyExcept(0f)) continue;
            var old = before.AsSpan(r * matrix.Width, matrix.Columns);
            int largest = 0;
            for (int i = 1; i < old.Length; i++)
                if (Math.Abs(old[i]) > Math.Abs(old[largest])) largest = i;
            if (!row.IsEmpty) row[largest] = old[largest];
        }
    }

    /// <summary>What is known of the inputs of one group.</summary>
    private sealed record Input(double[] Energy, ObsUpdate? Update)
    {
        public static Input? Of(UpdateTarget target, ReadOnlySpan<float> gram)
        {
            int width = target.Matrix.Width;
            var ordered = target.Matrix.Reorder(gram);
            var energy = new double[width];
            for (int i = 0; i < width; i++) energy[i] = ordered[(i * width) + i];
            return ObsUpdate.TryCreate(ordered, width) is { } update ? new(energy, update) : null;
        }

        public static Input? Of(UpdateTarget target, ReadOnlySpan<double> energy)
        {
            var ordered = new double[target.Matrix.Width];
            for (int i = 0; i < ordered.Length; i++) ordered[i] = energy[target.Matrix.Source(i)];
            return new(ordered, null);
        }
    }
}
