namespace ModelCompression.Pipeline.Search;

/// <summary>What every method costs and loses in every layer, found by running the passes once per method on the whole model, without running the model.</summary>
internal sealed class LayerTable
{
    private readonly Entry[][] entries;

    private LayerTable(IReadOnlyList<SearchLayer> layers, IReadOnlyList<LayerMethod> methods, Entry[][] entries)
    {
        Layers = layers;
        Methods = methods;
        this.entries = entries;
    }

    /// <summary>The layers.</summary>
    public IReadOnlyList<SearchLayer> Layers { get; }

    /// <summary>Methods that the passes accept.</summary>
    public IReadOnlyList<LayerMethod> Methods { get; }

    /// <summary>Figures of a method in a layer.</summary>
    public Entry this[int layer, int method] => entries[layer][method];

    /// <summary>Runs the passes.</summary>
    /// <param name="bench">Where.</param>
    /// <param name="layers">Layers.</param>
    /// <param name="methods">Methods to try; sparsities between two that were run are interpolated.</param>
    /// <param name="cancellation">Stops between methods.</param>
    public static LayerTable Measure(SearchWorkbench bench, IReadOnlyList<SearchLayer> layers, IReadOnlyList<LayerMethod> methods, CancellationToken cancellation)
    {
        var columns = new Dictionary<LayerMethod, Entry[]>();
        var pruned = new Dictionary<double, EncodingResult>();
        foreach (var method in methods.Where(m => !m.IsBetween))
        {
            if (bench.IsLate) break;
            var encoding = bench.Encode(CandidateMaker.Uniform(layers, method), cancellation);
            EncodingResult? cut = null;
            if (!method.IsDense && !pruned.TryGetValue(method.Sparsity, out cut))
                pruned.Add(method.Sparsity, cut = bench.Encode(CandidateMaker.Uniform(layers, LayerMethod.OnlyPruned(method.Sparsity)), cancellation));
            if (encoding.Problem is null && cut?.Problem is null) columns.Add(method, Column(layers, encoding, cut));
        }

        foreach (var method in methods.Where(m => m.IsBetween))
            if (Interpolate(method, columns) is { } column) columns.Add(method, column);
        var usable = methods.Where(columns.ContainsKey).ToArray();
        return new(layers, usable, [.. Enumerable.Range(0, layers.Count).Select(l => usable.Select(m => columns[m][l]).ToArray())]);
    }

    /// <summary>Bytes and noise of codes change almost linearly with the fraction removed, the noise of what is removed exponentially.</summary>
    private static Entry[]? Interpolate(LayerMethod method, Dictionary<LayerMethod, Entry[]> columns)
    {
        var like = columns.Keys.Where(m => !m.IsDense && !m.IsBetween && m.Bits == method.Bits).OrderBy(m => m.Sparsity).ToArray();
        int above = Array.FindIndex(like, m => m.Sparsity > method.Sparsity);
        if (above <= 0) return null;
        double share = (method.Sparsity - like[above - 1].Sparsity) / (like[above].Sparsity - like[above - 1].Sparsity);
        return [.. columns[like[above - 1]].Zip(columns[like[above]], (a, b) => new Entry(
            a.Bytes + (share * (b.Bytes - a.Bytes)),
            a.CodeNoise + (share * (b.CodeNoise - a.CodeNoise)),
            a.PruningNoise <= 0 || b.PruningNoise <= 0 ? Math.Max(a.PruningNoise, b.PruningNoise) * share : Math.Exp(Math.Log(a.PruningNoise) + (share * Math.Log(b.PruningNoise / a.PruningNoise)))))];
    }

    private static Entry[] Column(IReadOnlyList<SearchLayer> layers, EncodingResult encoding, EncodingResult? pruned)
    {
        var weights = ByName(encoding);
        var prunedWeights = pruned is null ? null : ByName(pruned);
        return [.. layers.Select(layer =>
        {
            double bytes = 0, codes = 0, zeros = 0, original = 0;
            foreach (string name in layer.Weights)
            {
                if (!weights.TryGetValue(name, out var weight)) continue;
                bytes += weight.Bytes;
                original += weight.OriginalBytes;
                codes += weight.OriginalBytes * weight.Noise;
                if (prunedWeights?.TryGetValue(name, out var cut) == true) zeros += cut.OriginalBytes * cut.Noise;
            }

            // A layer no pass speaks of stays as it is.
            return original == 0 ? new Entry(layer.ByteLength, 0, 0) : new Entry(bytes, codes / original, zeros / original);
        })];
    }

    private static Dictionary<string, EncodedWeightFigures> ByName(EncodingResult encoding) =>
        encoding.Weights.GroupBy(w => w.Weight, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.First(), StringComparer.Ordinal);

    /// <summary>One method in one layer.</summary>
    /// <param name="Bytes">Bytes in the file.</param>
    /// <param name="CodeNoise">Noise-to-signal of the codes.</param>
    /// <param name="PruningNoise">Noise-to-signal of what was removed.</param>
    internal readonly record struct Entry(double Bytes, double CodeNoise, double PruningNoise);
}
