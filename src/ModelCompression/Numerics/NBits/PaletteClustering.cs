namespace ModelCompression.Numerics.NBits;

/// <summary>Optimal k-means in one dimension.</summary>
/// <remarks>
/// Sorted numbers split into k runs; the least Σ w·(x − mean of its run)² follows by dynamic programming over (runs, last bin). The best border moves monotonically with the
/// last bin, so each layer takes O(bins · log bins) by divide and conquer (Wu, "Optimal quantization by matrix searching", 1991; Grønlund et al., "Fast exact k-means … in
/// 1D", 2017). Exact for bins; no seed, no local optimum.
/// </remarks>
internal sealed class PaletteClustering
{
    private readonly double[] weight;
    private readonly double[] sum;
    private readonly double[] square;
    private readonly int count;
    private double[] before = [];
    private double[] after = [];
    private ushort[] borders = [];

    private PaletteClustering(WeightedHistogram histogram)
    {
        weight = new double[WeightedHistogram.Bins + 1];
        sum = new double[weight.Length];
        square = new double[weight.Length];
        for (int i = 0; i < WeightedHistogram.Bins; i++)
        {
            if (histogram.Weight[i] == 0) continue;
            weight[count + 1] = weight[count] + histogram.Weight[i];
            sum[count + 1] = sum[count] + histogram.Sum[i];
            // Within a bin all numbers count as their mean.
            square[count + 1] = square[count] + (histogram.Sum[i] * histogram.Sum[i] / histogram.Weight[i]);
            count++;
        }
    }

    /// <summary>At most <paramref name="k"/> means in ascending order.</summary>
    public static double[] Means(WeightedHistogram histogram, int k)
    {
        var clustering = new PaletteClustering(histogram);
        return clustering.count == 0 ? [] : clustering.Solve(Math.Min(k, clustering.count));
    }

    private double[] Solve(int k)
    {
        before = new double[count + 1];
        after = new double[count + 1];
        var layers = new ushort[k][];
        for (int end = 1; end <= count; end++) before[end] = Cost(0, end);
        layers[0] = new ushort[count + 1];
        for (int layer = 1; layer < k; layer++)
        {
            borders = layers[layer] = new ushort[count + 1];
            Fill(layer + 1, count, layer, count - 1);
            (before, after) = (after, before);
        }

        var means = new double[k];
        int last = count;
        for (int layer = k - 1; layer >= 0; layer--)
        {
            int first = layer == 0 ? 0 : layers[layer][last];
            means[layer] = (sum[last] - sum[first]) / (weight[last] - weight[first]);
            last = first;
        }

        return means;
    }

    /// <summary>Best last border for ends <paramref name="low"/>…<paramref name="high"/>, known to lie within the given bounds.</summary>
    private void Fill(int low, int high, int least, int most)
    {
        if (low > high) return;
        int end = (low + high) / 2, at = least;
        double best = double.PositiveInfinity;
        for (int border = least; border <= Math.Min(most, end - 1); border++)
        {
            double cost = before[border] + Cost(border, end);
            if (cost < best) (best, at) = (cost, border);
        }

        after[end] = best;
        borders[end] = (ushort)at;
        Fill(low, end - 1, least, at);
        Fill(end + 1, high, at, most);
    }

    private double Cost(int from, int to)
    {
        double w = weight[to] - weight[from], s = sum[to] - sum[from];
        return w <= 0 ? 0 : Math.Max(0, square[to] - square[from] - (s * s / w));
    }
}
