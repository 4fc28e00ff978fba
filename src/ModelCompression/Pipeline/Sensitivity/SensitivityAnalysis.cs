using ModelCompression.Analysis;
using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Runtime.Fidelity;
using ModelCompression.Statistics;

namespace ModelCompression.Pipeline.Sensitivity;

/// <summary>Quantizes one layer after the other in a copy of a model and compares the outputs with the float model's.</summary>
internal sealed class SensitivityAnalysis
{
    private readonly Model model;
    private readonly CompressionSettings settings;
    private readonly IStatisticsSource statistics;
    private readonly IReadOnlyList<Sample> samples;
    private readonly CancellationToken cancellation;
    private readonly List<IReadOnlyList<NamedValue>> expected = [];

    /// <summary>Runs the float model.</summary>
    /// <param name="model">The model, simplified.</param>
    /// <param name="settings">How layers are quantized.</param>
    /// <param name="statistics">Calibration data.</param>
    /// <param name="samples">What outputs are compared on.</param>
    /// <param name="cancellation">Stops between samples.</param>
    public SensitivityAnalysis(Model model, CompressionSettings settings, IStatisticsSource statistics, IReadOnlyList<Sample> samples, CancellationToken cancellation = default)
    {
        this.cancellation = cancellation;
        this.model = model;
        this.settings = settings;
        this.statistics = statistics;
        this.samples = samples;
        using var session = ObservingSession.Open(model, [], SessionSettings.Default);
        foreach (var sample in samples)
        {
            cancellation.ThrowIfCancellationRequested();
            expected.Add(session.Run(sample.Inputs));
        }

        Layers = Group(WeightCatalog.Of(model).Weights);
    }

    /// <summary>Nodes that have to be quantized together, because they share a weight or one of them has several; in graph order.</summary>
    public IReadOnlyList<IReadOnlyList<Node>> Layers { get; }

    /// <summary>Measures one layer. May be called for several layers at once.</summary>
    public LayerSensitivity Measure(IReadOnlyList<Node> layer)
    {
        var log = new PassLog();
        var sites = WeightCatalog.Of(model).Weights.Where(w => layer.Contains(w.Node)).ToArray();
        var result = new LayerSensitivity { Node = layer[0].DisplayName, OpType = layer[0].OpType, WeightBytes = sites.Sum(s => s.Tensor.ByteLength) };
        if (layer.Select(settings.ReasonToSkip).FirstOrDefault(r => r is not null) is { } skipped) return result with { Reason = skipped };
        var copy = ModelCopy.Of(model);
        var only = Only([.. layer, .. layer.Select(Clamp).OfType<Node>()], copy);
        foreach (var pass in PassPlan.Quantizers(only, statistics, cancellation: cancellation)) pass.Run(copy.Model, only, log);
        new RemoveUnusedNodes().Run(copy.Model, only, log);
        var record = log.Layers.OrderByDescending(l => l.OriginalBytes).FirstOrDefault(l => l.SqnrDb is not null);
        if (record is null) return result with { Reason = log.Layers.FirstOrDefault(l => sites.Any(s => s.Value.Name == l.Weight))?.Reason ?? "not quantized by these settings" };
        var fidelity = Compare(copy.Model);
        return result with { Action = record.Action, WeightSqnrDb = record.SqnrDb, SqnrDb = fidelity.SqnrDb is { } db && double.IsFinite(db) ? db : null, TopOneAgreement = fidelity.TopOneAgreement };
    }

    private FidelityResult Compare(Model quantized)
    {
        var comparison = new OutputComparison();
        using var session = ObservingSession.Open(quantized, [], SessionSettings.Default);
        for (int i = 0; i < samples.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            comparison.Add(i, expected[i], session.Run(samples[i].Inputs));
        }

        return comparison.Summarize(SampleOrigin.Calibration, samples.Count, null);
    }

    /// <summary>Settings under which a layer has its own options and every other node is left alone. Nodes of the copy get names that tell them apart.</summary>
    private CompressionSettings Only(IReadOnlyList<Node> layer, ModelCopy copy)
    {
        var rules = new List<CompressionRule>();
        foreach (var node in copy.Model.AllGraphs().SelectMany(g => g.Nodes)) node.Name = "";
        for (int i = 0; i < layer.Count; i++)
        {
            var options = Whatever(settings.For(layer[i]));
            string name = FormattableString.Invariant($"measured{i}");
            copy.Nodes[layer[i]].Name = name;
            rules.Add(new CompressionRule([name], [], _ => options));
        }

        return new(Whatever(settings.Model) with { Quantization = QuantizationMode.None }, rules);
    }

    /// <summary>Options that quantize whatever can be: nothing is left out by name, and static quantization does not look for operators that should stay float.</summary>
    private static CompressionOptions Whatever(CompressionOptions options) => options with
    {
        IncludeOpTypes = [],
        ExcludeOpTypes = [],
        ExcludeNodes = [],
        QuantizationFormat = options is { Quantization: QuantizationMode.Static, QuantizationFormat: QuantizationFormat.Auto } ? QuantizationFormat.Qdq : options.QuantizationFormat,
    };

    /// <summary>The Relu or Clip behind a layer: integer codes clamp by themselves, so that a static model rounds what comes after it, not before.</summary>
    private static Node? Clamp(Node node) => node.Output() is { Uses.Count: 1, IsGraphOutput: false } output && output.Uses[0].Node is { OpType: "Relu" or "Clip" } clamp && clamp.Graph == node.Graph ? clamp : null;

    private static List<IReadOnlyList<Node>> Group(IReadOnlyList<WeightSite> weights)
    {
        var groups = new List<List<Node>>();
        var byNode = new Dictionary<Node, List<Node>>(ReferenceEqualityComparer.Instance);
        foreach (var site in weights)
        {
            var nodes = site.Uses.Select(u => u.Operator).Distinct().ToArray();
            var group = nodes.Select(n => byNode.GetValueOrDefault(n)).FirstOrDefault(g => g is not null);
            if (group is null) groups.Add(group = []);
            foreach (var node in nodes)
            {
                var other = byNode.GetValueOrDefault(node);
                if (other == group) continue;
                foreach (var moved in other ?? [node])
                {
                    group.Add(moved);
                    byNode[moved] = group;
                }

                other?.Clear();
            }
        }

        return [.. groups.Where(g => g.Count > 0)];
    }
}
