using System.Runtime.InteropServices;

namespace ModelCompression.Onnx.Graph;

/// <summary>Checks the invariants that every pass must leave intact.</summary>
public static class GraphVerifier
{
    /// <summary>Finds what is wrong with a model's graphs; empty when all is well.</summary>
    /// <remarks>
    /// Checked: every input is defined before its use in its own or an outer graph, and its name, looked up as a reader of the file would, leads to
    /// it; use-def chains agree both ways; names are unique in a graph; every domain has an opset import; subgraphs know their node.
    /// Time grows with the size of the model, not with its nesting or with how often values are shared.
    /// </remarks>
    public static IReadOnlyList<string> Verify(Model model)
    {
        var problems = new List<string>();
        var functions = model.Functions.Select(f => (f.Domain, f.Name)).ToHashSet();
        new Visitor(model.OpsetImports, functions, problems).VisitRoot(model.Graph);
        foreach (var function in model.Functions) new Visitor(function.OpsetImports, functions, problems).VisitRoot(function.Body);
        return problems;
    }

    private sealed class Visitor(OpsetImports opsets, HashSet<(string Domain, string Name)> functions, List<string> problems)
    {
        private readonly HashSet<Value> defined = [];
        private readonly Dictionary<string, Value> names = new(StringComparer.Ordinal);
        private readonly Dictionary<Value, int> foundUses = [];
        private readonly List<Value> values = [];

        public void VisitRoot(OnnxGraph graph)
        {
            Visit(graph);
            foreach (var value in values)
            {
                int found = foundUses.GetValueOrDefault(value);
                if (found != value.Uses.Count) problems.Add($"'{value.Name}' lists {value.Uses.Count} uses but has {found}.");
            }
        }

        private void Visit(OnnxGraph graph)
        {
            var own = graph.Inputs.Concat(graph.Initializers).Distinct().ToList();
            var produced = graph.Nodes.SelectMany(n => n.Outputs.OfType<Value>());
            var hidden = EnterNames(graph, own.Concat(produced));
            foreach (var value in own) Define(graph, value);
            foreach (var node in graph.Nodes) Visit(graph, node);
            foreach (var output in graph.Outputs) VisitOutput(graph, output);
            for (int i = hidden.Count - 1; i >= 0; i--)
            {
                var (value, outer) = hidden[i];
                defined.Remove(value);
                if (outer is null) names.Remove(value.Name);
                else names[value.Name] = outer;
            }
        }

        /// <summary>Makes the graph's names visible and returns each value with the outer one it hides.</summary>
        private List<(Value Value, Value? Outer)> EnterNames(OnnxGraph graph, IEnumerable<Value> own)
        {
            var entered = new List<(Value, Value?)>();
            foreach (var value in own)
            {
                values.Add(value);
                ref var slot = ref CollectionsMarshal.GetValueRefOrAddDefault(names, value.Name, out _);
                if (slot?.Graph == graph) problems.Add($"'{value.Name}' is defined twice.");
                else entered.Add((value, slot));
                slot = value;
            }

            return entered;
        }

        private void Visit(OnnxGraph graph, Node node)
        {
            if (node.Graph != graph) problems.Add($"{node} is not owned by graph '{graph.Name}'.");
            if (!opsets.Contains(node.Domain) && !functions.Contains((node.Domain, node.OpType)))
                problems.Add($"{node} is of domain '{node.Domain}', which has no opset import.");
            for (int i = 0; i < node.Inputs.Count; i++)
            {
                if (node.Inputs[i] is not { } input) continue;
                CollectionsMarshal.GetValueRefOrAddDefault(foundUses, input, out _)++;
                RequireVisible(input, node.ToString());
            }

            foreach (var subgraph in node.Subgraphs)
            {
                if (subgraph.ParentNode != node) problems.Add($"A subgraph of {node} has lost its parent.");
                Visit(subgraph);
            }

            for (int i = 0; i < node.Outputs.Count; i++)
            {
                if (node.Outputs[i] is not { } output) continue;
                if (output.Producer != node || output.OutputIndex != i) problems.Add($"'{output.Name}' does not know its producer {node}.");
                Define(graph, output);
            }
        }

        private void VisitOutput(OnnxGraph graph, Value output)
        {
            RequireVisible(output, $"Graph '{graph.Name}'");
            if (!output.OutputOf.Contains(graph)) problems.Add($"'{output.Name}' does not know that graph '{graph.Name}' returns it.");
        }

        private void RequireVisible(Value value, string user)
        {
            if (!defined.Contains(value)) problems.Add($"{user} uses '{value.Name}' before it is defined.");
            else if (names.GetValueOrDefault(value.Name) != value) problems.Add($"{user} uses '{value.Name}', whose name leads to another value there.");
        }

        private void Define(OnnxGraph graph, Value value)
        {
            if (value.Graph != graph) problems.Add($"'{value.Name}' is not owned by graph '{graph.Name}'.");
            defined.Add(value);
            foreach (var use in value.Uses)
                if (use.Index >= use.Node.Inputs.Count || use.Node.Inputs[use.Index] != value || use.Node.Graph is null)
                    problems.Add($"'{value.Name}' lists a use by {use.Node} that does not exist.");
        }
    }
}
