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
    /// <param name="methods">Methods to try.</param>
    /// <param name="cancellation">Stops between methods.</param>
    public static LayerTable Measure(SearchWorkbench bench, IReadOnlyList<SearchLayer> layers, IReadOnlyList<LayerMethod> methods, CancellationToken cancellation)
    {
        var pruning = methods.Select(m => m.Sparsity).Where(s => s > 0).Distinct().TakeWhile(_ => !bench.IsLate).ToDictionary(s => s, s => bench.Encode(CandidateMaker.Uniform(layers, LayerMethod.OnlyPruned(s)), cancellation));
        var usable = new List<LayerMethod>();
        var columns = new List<Entry[]>();
        foreach (var method in methods)
        {
            if (bench.IsLate) break;
            var encoding = bench.Encode(CandidateMaker.Uniform(layers, method), cancellation);
            if (encoding.Problem is not null || (!method.IsDense && (!pruning.TryGetValue(method.Sparsity, out var cut) || cut.Problem is not null))) continue;
            usable.Add(method);
            columns.Add(Column(layers, encoding, method.IsDense ? null : pruning[method.Sparsity]));
        }

        return new(layers, usable, [.. Enumerable.Range(0, layers.Count).Select(l => columns.Select(c => c[l]).ToArray())]);
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
