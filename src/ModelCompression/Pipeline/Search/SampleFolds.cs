using ModelCompression.Options;
using ModelCompression.Runtime.Evaluation;

namespace ModelCompression.Pipeline.Search;

/// <summary>Divides samples into folds: sample i belongs to fold i mod k, so that data sorted by class is spread.</summary>
/// <param name="count">Number of folds; 1 = no folds.</param>
internal sealed class SampleFolds(int count)
{
    /// <summary>Number of folds.</summary>
    public int Count => count;

    /// <summary>The metric on each fold; null where it is not finite or the fold is empty.</summary>
    public double?[] Values(Metric metric, IReadOnlyList<int> feeds, IReadOnlyList<MetricSums> sums)
    {
        var folds = Enumerable.Range(0, count).Select(_ => new MetricSums()).ToArray();
        for (int i = 0; i < feeds.Count; i++) folds[feeds[i] % count].Add(sums[i]);
        return [.. folds.Select(f => f.RowCount > 0 && f.Value(metric) is var value && double.IsFinite(value) ? value : (double?)null)];
    }

    /// <summary>Number of samples in each fold.</summary>
    public long[] Weights(IReadOnlyList<MetricSums> sums)
    {
        var weights = new long[count];
        for (int i = 0; i < sums.Count; i++) weights[i % count] += sums[i].RowCount;
        return weights;
    }
}
