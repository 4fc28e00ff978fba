using System.Globalization;
using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>
/// Which operators static quantization has left float. A later run on the same model, with biases corrected for just this choice, takes it over instead of searching again, and the ranges instead of measuring them.
/// </summary>
public sealed class StaticDecisions
{
    private const string Count = "operators that stay float", Kept = "float operator at ";

    private Dictionary<string, string>? reasons;

    private readonly HashSet<string> corrected = new(StringComparer.Ordinal);

    /// <summary>Notes operators whose biases make up for the rounding of their weights already.</summary>
    public void NoteCorrected(IEnumerable<Node> nodes) => corrected.UnionWith(nodes.Select(Key));

    /// <summary>True if the operator's bias makes up for the rounding of its weights already.</summary>
    public bool HasCorrected(Node node) => corrected.Contains(Key(node));

    /// <summary>What a rehearsal has measured: the ranges of the model whose biases are not corrected yet, which are those the corrected one should have.</summary>
    internal ActivationRanges? Rehearsed { get; set; }

    /// <summary>True after the first run.</summary>
    public bool AreMade => reasons is not null;

    /// <summary>Notes the choice.</summary>
    public void Make(IReadOnlyDictionary<Node, string> excluded) => reasons = excluded.ToDictionary(e => Key(e.Key), e => e.Value, StringComparer.Ordinal);

    /// <summary>The choice for the same nodes of another copy of the model.</summary>
    public IReadOnlyDictionary<Node, string> For(Model model)
    {
        var excluded = new Dictionary<Node, string>(ReferenceEqualityComparer.Instance);
        foreach (var node in model.Graph.Nodes)
            if (reasons!.TryGetValue(Key(node), out string? reason)) excluded.TryAdd(node, reason);
        return excluded;
    }

    /// <summary>The choice of an earlier build with the same inputs, or a new one, which is recorded.</summary>
    /// <param name="record">The record, or null.</param>
    /// <param name="model">The model.</param>
    /// <param name="choose">Chooses.</param>
    internal static IReadOnlyDictionary<Node, string> Recorded(MeasurementRecord? record, Model model, Func<IReadOnlyDictionary<Node, string>> choose)
    {
        if (record is null) return choose();
        var kept = new Dictionary<Node, string>(ReferenceEqualityComparer.Instance);
        foreach (var node in model.Graph.Nodes)
            if (record.Has(Kept + Key(node))) kept.TryAdd(node, record.Words(Kept + Key(node), () => ""));
        if (record.Words(Count, () => "") == Text(kept.Count)) return kept;
        var chosen = choose();
        record.Words(Count, () => Text(chosen.Count), _ => false);
        foreach (var (node, reason) in chosen) record.Words(Kept + Key(node), () => reason, _ => false);
        return chosen;
    }

    private static string Text(int count) => count.ToString(CultureInfo.InvariantCulture);

    /// <summary>Names of nodes may be empty or repeated; those of values are neither.</summary>
    private static string Key(Node node) => node.Outputs.FirstOrDefault(o => o is not null)?.Name ?? "";
}
