namespace ModelCompression.Pipeline.Search;

/// <summary>Predicted output noise of every method in every layer; corrected by measurements around a mix.</summary>
internal sealed class LayerPredictions
{
    /// <summary>No measured change may promise less than this share of what it replaces: differences of noisy figures may even be negative.</summary>
    private const double LeastShare = 0.1;

    /// <summary>Most that one trial may change, in nepers.</summary>
    private const double MaxLearned = 1.5;

    private readonly LayerTable table;
    private readonly double[][] noise;
    private readonly bool denseOnly;
    private readonly HashSet<string> corrected = new(StringComparer.Ordinal);

    public LayerPredictions(LayerTable table, SensitivityProbe sensitivity)
    {
        this.table = table;
        noise = new double[table.Layers.Count][];
        for (int l = 0; l < noise.Length; l++)
        {
            noise[l] = new double[table.Methods.Count];
            for (int m = 0; m < noise[l].Length; m++)
            {
                var entry = table[l, m];
                noise[l][m] = sensitivity.Pruning[l].At(entry.PruningNoise) + sensitivity.Codes[l].At((1 - entry.PruningNoise) * entry.CodeNoise);
            }
        }
    }

    private LayerPredictions(LayerTable table, double[][] noise, bool denseOnly = false) => (this.table, this.noise, this.denseOnly) = (table, noise, denseOnly);

    /// <summary>The smallest mix with no more than this predicted noise.</summary>
    public int[] Allocate(double targetNoise) => [.. LayerCurve.Allocate(Hulls(), targetNoise).Select(p => p.Method)];

    /// <summary>The mix with least predicted noise within a number of bytes; null when even the smallest takes more.</summary>
    public int[]? AllocateBytes(double bytes)
    {
        var hulls = Hulls();
        if (hulls.Sum(h => h[0].Bytes) > bytes) return null;
        double low = Math.Log(1e-12), high = Math.Log(1e6);
        for (int i = 0; i < 60; i++)
        {
            double middle = (low + high) / 2;
            if (LayerCurve.Allocate(hulls, Math.Exp(middle)).Sum(p => p.Bytes) <= bytes) high = middle;
            else low = middle;
        }

        return [.. LayerCurve.Allocate(hulls, Math.Exp(high)).Select(p => p.Method)];
    }

    /// <summary>Bytes of a mix.</summary>
    public double BytesOf(int[] choice) => choice.Select((m, l) => table[l, m].Bytes).Sum();

    /// <summary>Predicted noise of a mix.</summary>
    public double NoiseOf(int[] choice) => choice.Select((m, l) => noise[l][m]).Sum();

    /// <summary>
    /// Learns from a trial: the error of the predicted sum is put down to the layers in proportion to what they contribute, half of it also to the related methods of these layers.
    /// </summary>
    public void Learn(int[] choice, double measuredNoise)
    {
        double predicted = Math.Max(NoiseOf(choice), 1e-12);
        double error = Math.Clamp(Math.Log(Math.Max(measuredNoise, 1e-12) / predicted), -MaxLearned, MaxLearned);
        for (int l = 0; l < choice.Length; l++)
        {
            double share = noise[l][choice[l]] / predicted;
            var own = table.Methods[choice[l]];
            for (int m = 0; m < noise[l].Length; m++)
            {
                bool related = table.Methods[m].IsDense == own.IsDense && table.Methods[m].Bits == own.Bits;
                noise[l][m] *= Math.Exp(error * share * (m == choice[l] ? 1 : related ? 0.5 : 0));
            }
        }
    }

    /// <summary>True if no layer can take fewer bytes.</summary>
    public bool IsLowest(int[] choice)
    {
        var hulls = Hulls();
        return Enumerable.Range(0, choice.Length).All(l => hulls[l][0].Method == choice[l]);
    }

    /// <summary>The same predictions for methods that remove no weights.</summary>
    public LayerPredictions DenseOnly() => new(table, noise, denseOnly: true);

    /// <summary>The same predictions with random errors.</summary>
    /// <param name="random">Where they come from.</param>
    /// <param name="deviation">Their standard deviation in nepers.</param>
    public LayerPredictions Disturbed(Random random, double deviation) =>
        new(table, [.. noise.Select(layer => layer.Select(n => n * Math.Exp(deviation * Normal(random))).ToArray())]);

    /// <summary>
    /// Measures what changes of single layers do to a mix, with all other layers as they are in it, and replaces the predictions by it. Methods that were not measured keep their relation
    /// to those that were.
    /// </summary>
    /// <returns>False if this mix has been the center before.</returns>
    public bool Correct(SearchWorkbench bench, int[] center, IReadOnlyList<int> feeds, CancellationToken cancellation)
    {
        if (!corrected.Add(string.Join(',', center))) return false;
        var methods = center.Select(m => table.Methods[m]).ToArray();
        double total = bench.Probe(CandidateMaker.Mix(table.Layers, methods, Recovery.None), feeds, cancellation).OutputNoise ?? 1;
        double scale = total / Math.Max(NoiseOf(center), 1e-12);
        foreach (double[] layer in noise)
            for (int m = 0; m < layer.Length; m++) layer[m] *= scale;
        for (int l = 0; l < center.Length; l++) CorrectLayer(bench, l, center, total, feeds, cancellation);
        return true;
    }

    private void CorrectLayer(SearchWorkbench bench, int layer, int[] center, double total, IReadOnlyList<int> feeds, CancellationToken cancellation)
    {
        double own = noise[layer][center[layer]];
        double denseError = 0, sparseError = 0;
        int denseCount = 0, sparseCount = 0;
        var measured = new Dictionary<int, double>();
        foreach (int move in Moves(layer, center[layer]))
        {
            var methods = center.Select((m, l) => table.Methods[l == layer ? move : m]).ToArray();
            double output = bench.Probe(CandidateMaker.Mix(table.Layers, methods, Recovery.None), feeds, cancellation).OutputNoise ?? 10;
            double now = Math.Max(own + output - total, LeastShare * noise[layer][move]);
            double ratio = Math.Log(now / Math.Max(noise[layer][move], 1e-12));
            if (table.Methods[move].IsDense) (denseError, denseCount) = (denseError + ratio, denseCount + 1);
            else (sparseError, sparseCount) = (sparseError + ratio, sparseCount + 1);
            measured[move] = now;
        }

        for (int m = 0; m < noise[layer].Length; m++)
        {
            if (m == center[layer]) continue;
            int count = table.Methods[m].IsDense ? denseCount : sparseCount;
            double error = table.Methods[m].IsDense ? denseError : sparseError;
            if (measured.TryGetValue(m, out double known)) noise[layer][m] = known;
            else if (count > 0) noise[layer][m] *= Math.Exp(error / count);
        }
    }

    /// <summary>Changes worth measuring: the next vertices of the hull in both directions, and the best of the other kind.</summary>
    private IEnumerable<int> Moves(int layer, int current)
    {
        double bytes = table[layer, current].Bytes;
        var hull = LayerCurve.Hull(Points(layer));
        var moves = hull.Where(p => p.Bytes < bytes).Reverse().Take(2).Concat(hull.Where(p => p.Bytes > bytes).Take(1)).Select(p => p.Method).ToList();
        bool dense = table.Methods[current].IsDense;
        var other = LayerCurve.Hull(Points(layer).Where(p => table.Methods[p.Method].IsDense != dense)).Where(p => p.Bytes < bytes).TakeLast(1).Select(p => p.Method);
        return moves.Concat(other).Where(m => m != current).Distinct();
    }

    private List<CurvePoint>[] Hulls() => [.. Enumerable.Range(0, noise.Length).Select(l => LayerCurve.Hull(Points(l)))];

    private IEnumerable<CurvePoint> Points(int layer) =>
        noise[layer].Select((n, m) => new CurvePoint(m, table[layer, m].Bytes, n)).Where(p => !denseOnly || table.Methods[p.Method].IsDense);

    /// <summary>Standard normal by Box and Muller.</summary>
    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
