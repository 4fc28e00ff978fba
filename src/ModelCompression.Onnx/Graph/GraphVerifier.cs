namespace ModelCompression.Onnx.Graph;

/// <summary>Checks the invariants that every pass must leave intact.</summary>
public static class GraphVerifier
{
    /// <summary>Finds what is wrong with a model's graphs; empty when all is well.</summary>
    /// <remarks>
    /// Checked: every input is defined before its use in its own or an outer graph, use-def chains agree both ways, names are unique in a graph
    /// and do not shadow outer ones, every domain has an opset import, no graph contains itself.
    /// </remarks>
    public static IReadOnlyList<string> Verify(Model model)
    {
        var problems = new List<string>();
        Visit(model.Graph, [], new Dictionary<string, Value>(StringComparer.Ordinal), model.OpsetImports, model.Functions, problems);
        foreach (var function in model.Functions)
            Visit(function.Body, [], new Dictionary<string, Value>(StringComparer.Ordinal), function.OpsetImports, model.Functions, problems);
        return problems;
    }

    private static void Visit(OnnxGraph graph, HashSet<Value> outer, Dictionary<string, Value> outerNames, OpsetImports opsets, IReadOnlyList<Function> functions, List<string> problems)
    {
        var defined = new HashSet<Value>(outer);
        var names = new Dictionary<string, Value>(outerNames, StringComparer.Ordinal);
        foreach (var value in graph.Inputs.Concat(graph.Initializers).Distinct()) Define(value);
        foreach (var node in graph.Nodes)
        {
            if (node.Graph != graph) problems.Add($"{node} is not owned by graph '{graph.Name}'.");
            if (!opsets.Contains(node.Domain) && !functions.Any(f => f.Domain == node.Domain && f.Name == node.OpType))
                problems.Add($"{node} is of domain '{node.Domain}', which has no opset import.");
            for (int i = 0; i < node.Inputs.Count; i++)
            {
                if (node.Inputs[i] is not { } input) continue;
                if (!defined.Contains(input)) problems.Add($"{node} uses '{input.Name}' before it is defined.");
                if (!input.Uses.Contains(new Use(node, i))) problems.Add($"'{input.Name}' does not know its use by {node}.");
            }

            foreach (var subgraph in node.Subgraphs)
            {
                if (subgraph.ParentNode != node) problems.Add($"A subgraph of {node} has lost its parent.");
                Visit(subgraph, defined, names, opsets, functions, problems);
            }

            for (int i = 0; i < node.Outputs.Count; i++)
            {
                if (node.Outputs[i] is not { } output) continue;
                if (output.Producer != node || output.OutputIndex != i) problems.Add($"'{output.Name}' does not know its producer {node}.");
                Define(output);
            }
        }

        foreach (var output in graph.Outputs)
        {
            if (!defined.Contains(output)) problems.Add($"Output '{output.Name}' of graph '{graph.Name}' is not defined.");
            if (!output.OutputOf.Contains(graph)) problems.Add($"'{output.Name}' does not know that graph '{graph.Name}' returns it.");
        }

        void Define(Value value)
        {
            if (value.Graph != graph) problems.Add($"'{value.Name}' is not owned by graph '{graph.Name}'.");
            if (!defined.Add(value) || (names.TryGetValue(value.Name, out var other) && other != value && other.Graph == graph))
                problems.Add($"'{value.Name}' is defined twice.");
            names[value.Name] = value;
            foreach (var use in value.Uses)
                if (use.Index >= use.Node.Inputs.Count || use.Node.Inputs[use.Index] != value || use.Node.Graph is null)
                    problems.Add($"'{value.Name}' lists a use by {use.Node} that does not exist.");
        }
    }
}
