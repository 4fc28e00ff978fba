using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>Removes what no output depends on: nodes, initializers, and functions that nothing calls.</summary>
/// <remarks>
/// <para>A node goes when no graph returns one of its outputs and only nodes that go too consume them, in whatever subgraph. Kept are nodes
/// without outputs and nodes of domains other than ONNX's and ONNX Runtime's own, whose effects are not known.</para>
/// <para>Inputs are the model's interface and stay, used or not. An initializer that is also listed as an input is, from IR 4 on, the default
/// of an optional input, so it stays as well. Before IR 4 the listing is only a formality that the format asks for every initializer:
/// there it goes together with the unused initializer.</para>
/// <para>What training information refers to by name stays; with training information present, functions stay too.</para>
/// <para>Values are untouched, so outputs are the same.</para>
/// </remarks>
public sealed class RemoveUnusedNodes : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        if (!model.HasTrainingInfo) RemoveFunctions(model, log);
        foreach (var graph in model.Functions.Select(f => f.Body).Prepend(model.Graph)) RemoveNodes(model, graph, log);
        foreach (var graph in model.AllGraphs()) RemoveInitializers(model, graph, log);
    }

    /// <summary>Walks backwards, so that a node is judged after all its consumers.</summary>
    private void RemoveNodes(Model model, OnnxGraph graph, PassLog log)
    {
        var dead = new HashSet<Node>();
        for (int i = graph.Nodes.Count - 1; i >= 0; i--)
        {
            var node = graph.Nodes[i];
            if (node.Outputs.All(o => o is null || IsDead(o, dead)) && HasKnownEffect(model, node)) dead.Add(node);
            else foreach (var subgraph in node.Subgraphs) RemoveNodes(model, subgraph, log);
        }

        if (dead.Count == 0) return;
        foreach (var node in graph.Nodes)
            if (dead.Contains(node)) log.Applied(Name, node.DisplayName, "nothing depends on its outputs");
        graph.RemoveNodes(dead);
    }

    private static bool IsDead(Value output, HashSet<Node> dead)
    {
        if (output.IsGraphOutput || output.IsReferencedByName) return false;
        foreach (var use in output.Uses)
            if (!IsInside(use.Node, dead)) return false;
        return true;
    }

    private static bool IsInside(Node node, HashSet<Node> dead)
    {
        for (var at = node; at is not null; at = at.Graph?.ParentNode)
            if (dead.Contains(at)) return true;
        return false;
    }

    private static bool HasKnownEffect(Model model, Node node) =>
        node.Outputs.Any(o => o is not null) && (IsKnownDomain(node.Domain) || CalledBy(model, node).Any(f => f.Body.AllNodes().All(n => IsKnownDomain(n.Domain))));

    private static bool IsKnownDomain(string domain) => domain is "" or "ai.onnx" or "ai.onnx.ml" or "com.microsoft";

    private void RemoveInitializers(Model model, OnnxGraph graph, PassLog log)
    {
        foreach (var value in graph.Initializers.ToArray())
        {
            if (!value.IsUnused || value.IsReferencedByName || GraphScope.IsOverridable(model, value)) continue;
            graph.RemoveInitializer(value);
            log.Applied(Name, value.Name, "initializer that nothing uses");
        }
    }

    private void RemoveFunctions(Model model, PassLog log)
    {
        if (model.Functions.Count == 0) return;
        var called = new HashSet<Function>();
        var open = new Stack<OnnxGraph>([model.Graph]);
        while (open.TryPop(out var graph))
            foreach (var node in graph.AllNodes())
                foreach (var function in CalledBy(model, node))
                    if (called.Add(function)) open.Push(function.Body);
        foreach (var function in model.Functions)
            if (!called.Contains(function)) log.Applied(Name, $"{function.Domain}.{function.Name}", "function that nothing calls");
        model.RemoveFunctions(f => !called.Contains(f));
    }

    /// <summary>The functions a node may call; overloads are not told apart, which at worst keeps one too many.</summary>
    private static IEnumerable<Function> CalledBy(Model model, Node node) =>
        model.Functions.Where(f => f.Name == node.OpType && (f.Domain == node.Domain || (node.IsOnnxDomain && f.Domain is "" or "ai.onnx")));
}
