using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>
/// Which operators static quantization has left float. A later run on the same model, with biases corrected for just this choice, takes it over instead of searching again.
/// </summary>
public sealed class StaticDecisions
{
    private Dictionary<string, string>? reasons;

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

    /// <summary>Names of nodes may be empty or repeated; those of values are neither.</summary>
    private static string Key(Node node) => node.Outputs.FirstOrDefault(o => o is not null)?.Name ?? "";
}
