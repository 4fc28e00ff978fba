using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Pruning.Refitting;

/// <summary>Copies the part of a graph that some of its values depend on into another graph. Tensors are shared; they never change.</summary>
internal sealed class GraphCopy
{
    private readonly Dictionary<Value, Value> values = new(ReferenceEqualityComparer.Instance);

    private GraphCopy(OnnxGraph source, OnnxGraph target, IReadOnlyDictionary<string, Value> inputs)
    {
        foreach (var input in source.Inputs)
            if (inputs.TryGetValue(input.Name, out var shared)) values.Add(input, shared);
        Source = source;
        Target = target;
    }

    /// <summary>The graph copied from.</summary>
    public OnnxGraph Source { get; }

    /// <summary>The graph copied to.</summary>
    public OnnxGraph Target { get; }

    /// <summary>The copy of a value; it is copied first if it was not yet. Values whose names matter are only the inputs.</summary>
    public Value this[Value source]
    {
        get
        {
            if (values.TryGetValue(source, out var known)) return known;
            Copy(source);
            return values[source];
        }
    }

    /// <summary>Starts a copy; inputs of the source are those of the target with the same names.</summary>
    public static GraphCopy Start(OnnxGraph source, OnnxGraph target, IReadOnlyDictionary<string, Value> inputs) => new(source, target, inputs);

    /// <summary>Copies a whole model, so that later edits of it do not matter.</summary>
    /// <returns>The copy and what became of each value.</returns>
    public static (Model Model, IReadOnlyDictionary<Value, Value> Values) Whole(Model model)
    {
        var copy = Empty(model);
        var graph = new GraphCopy(model.Graph, copy.Graph, copy.Graph.Inputs.ToDictionary(i => i.Name));
        foreach (var node in model.Graph.Nodes)
            foreach (var output in node.Outputs)
                if (output is not null) _ = graph[output];
        return (copy, graph.values);
    }

    /// <summary>A model with the interface of another but for its outputs, and no nodes.</summary>
    public static Model Empty(Model model)
    {
        var copy = new Model(new OnnxGraph(model.Graph.Name)) { IrVersion = Math.Max(4, model.IrVersion) };
        foreach (var (domain, version) in model.OpsetImports.All) copy.OpsetImports[domain] = version;
        foreach (var function in model.Functions) copy.AddFunction(function);
        foreach (var input in model.Graph.Inputs)
            if (input.Initializer is null) copy.Graph.AddInput(copy.Graph.NewName(input.Name), input.Type);
        return copy;
    }

    /// <summary>Copies what a value needs, producers first; an explicit stack, since graphs are deep.</summary>
    private void Copy(Value wanted)
    {
        var stack = new Stack<Value>([wanted]);
        while (stack.TryPeek(out var value))
        {
            if (values.ContainsKey(value))
            {
                stack.Pop();
                continue;
            }

            if (value.Producer is not { } node)
            {
                values.Add(value, Target.AddInitializer(value.Name, value.Initializer ?? throw new NotSupportedException($"'{value.Name}' is neither computed nor a dense constant.")));
                continue;
            }

            var missing = Needs(node).Where(v => !values.ContainsKey(v)).ToList();
            foreach (var input in missing) stack.Push(input);
            if (missing.Count == 0) CopyNode(node, Target);
        }
    }

    /// <summary>Values of the source graph that a node reads, captured ones included.</summary>
    private IEnumerable<Value> Needs(Node node)
    {
        foreach (var input in node.Inputs)
            if (input is not null && input.Graph == Source) yield return input;
        foreach (var inner in node.Subgraphs.SelectMany(g => g.SelfAndSubgraphs()))
        {
            foreach (var value in inner.Nodes.SelectMany(n => n.Inputs).Concat(inner.Outputs))
                if (value is not null && value.Graph == Source) yield return value;
        }
    }

    /// <summary>Copies a node without its name, which may occur only once in a file.</summary>
    private void CopyNode(Node node, OnnxGraph to)
    {
        var copy = to.AddNode(node.OpType, node.Inputs.Select(i => i is null ? null : values[i]).ToArray(), node.Outputs.Select(o => o?.Name ?? "").ToArray(),
            node.Attributes.Select(a => CopyAttribute(a, to)).ToArray(), node.Domain);
        for (int i = 0; i < node.Outputs.Count; i++)
        {
            if (node.Outputs[i] is not { } output) continue;
            values[output] = copy.Outputs[i]!;
            copy.Outputs[i]!.Type = output.Type;
        }
    }

    private NodeAttribute CopyAttribute(NodeAttribute attribute, OnnxGraph outer)
    {
        if (attribute.Graphs.Count == 0) return attribute;
        if (attribute.Type != AttributeType.Graph) throw new NotSupportedException($"Attribute '{attribute.Name}' holds several graphs.");
        var from = attribute.Graph;
        var to = new OnnxGraph(from.Name, outer);
        foreach (var input in from.Inputs) values[input] = to.AddInput(to.NewName(input.Name), input.Type);
        foreach (var initializer in from.Initializers)
            if (!values.ContainsKey(initializer)) values[initializer] = to.AddInitializer(initializer.Name, initializer.Initializer ?? throw new NotSupportedException($"'{initializer.Name}' is a sparse initializer."));
        foreach (var node in from.Nodes) CopyNode(node, to);
        foreach (var output in from.Outputs) to.AddOutput(values[output]);
        return NodeAttribute.Of(attribute.Name, to);
    }
}
