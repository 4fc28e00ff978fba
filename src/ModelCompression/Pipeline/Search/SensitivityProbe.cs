namespace ModelCompression.Pipeline.Search;

/// <summary>Measures what noise in one layer does to the output, with all other layers left as they are.</summary>
internal sealed class SensitivityProbe
{
    /// <summary>Bytes of models that may be written for it: bounds the time for large models.</summary>
    private const long MaxWrittenByteLength = 24L << 30;

    private static readonly LayerMethod[][] Kinds =
    [
        [LayerMethod.Codes(3)],
        [LayerMethod.Codes(3), LayerMethod.OnlyPruned(0.8)],
        [LayerMethod.Codes(3), LayerMethod.OnlyPruned(0.8), LayerMethod.Codes(2, 32), LayerMethod.OnlyPruned(0.6)],
    ];

    private SensitivityProbe(IReadOnlyList<NoiseCurve> codes, IReadOnlyList<NoiseCurve> pruning) => (Codes, Pruning) = (codes, pruning);

    /// <summary>Effect of coding errors, by layer.</summary>
    public IReadOnlyList<NoiseCurve> Codes { get; }

    /// <summary>Effect of removed weights, by layer.</summary>
    public IReadOnlyList<NoiseCurve> Pruning { get; }

    /// <summary>Measures all layers, or the largest ones of a large model.</summary>
    /// <param name="bench">Where.</param>
    /// <param name="layers">Layers.</param>
    /// <param name="feeds">Samples.</param>
    /// <param name="cancellation">Stops between probes.</param>
    public static SensitivityProbe Measure(SearchWorkbench bench, IReadOnlyList<SearchLayer> layers, IReadOnlyList<int> feeds, CancellationToken cancellation)
    {
        long most = Math.Max(4, MaxWrittenByteLength / Math.Max(1, layers.Sum(l => l.ByteLength)));
        var kinds = Kinds.LastOrDefault(k => k.Length * layers.Count <= most) ?? Kinds[0];
        var probed = layers.Select((layer, index) => (layer, index)).OrderByDescending(l => l.layer.ByteLength).Take((int)Math.Min(layers.Count, most)).Select(l => l.index).ToArray();
        var encodings = kinds.Select(kind => LayerTable.Measure(bench, layers, [kind], cancellation)).ToArray();
        double floor = bench.Probe(CandidateMaker.Uniform(layers, LayerMethod.Untouched), feeds, cancellation).OutputNoise ?? 0;
        var codes = new NoiseCurve?[layers.Count];
        var pruning = new NoiseCurve?[layers.Count];
        // Under a time limit the layers with the most bytes come first; the others are then taken to be average.
        foreach (int l in probed)
        {
            if (bench.IsPreparationOver) break;
            List<(double Weight, double Output)> coded = [], pruned = [];
            for (int k = 0; k < kinds.Length; k++)
            {
                if (encodings[k].Methods.Count == 0) continue;
                var entry = encodings[k][l, 0];
                double output = Math.Max(0, (bench.Probe(Single(layers, l, kinds[k]), feeds, cancellation).OutputNoise ?? 1) - floor);
                if (kinds[k].IsDense) coded.Add((entry.CodeNoise, output));
                else pruned.Add((entry.PruningNoise, output));
            }

            codes[l] = NoiseCurve.Through(coded);
            pruning[l] = NoiseCurve.Through(pruned);
        }

        return Complete(codes, pruning);
    }

    private static SearchCandidate Single(IReadOnlyList<SearchLayer> layers, int layer, LayerMethod method)
    {
        var others = layers.Where((_, i) => i != layer).SelectMany(l => l.Nodes).ToArray();
        var rule = new CandidateRule(layers[layer].Nodes, method.Settings);
        return new($"{method.Label} in {layers[layer].Nodes[0]}", new(StringComparer.Ordinal), others.Length == 0 ? [rule] : [new CandidateRule(others, LayerMethod.Untouched.Settings), rule]);
    }

    /// <summary>Layers that were not measured are taken to be as sensitive as the others are on average; pruning as harmful as codes.</summary>
    private static SensitivityProbe Complete(NoiseCurve?[] codes, NoiseCurve?[] pruning)
    {
        var known = codes.OfType<NoiseCurve>().Select(c => Math.Log(c.Gain)).ToArray();
        var average = NoiseCurve.Proportional(known.Length == 0 ? 1 : Math.Exp(known.Average()));
        var allCodes = codes.Select(c => c ?? average).ToArray();
        return new(allCodes, [.. pruning.Select((p, l) => p ?? allCodes[l])]);
    }
}
