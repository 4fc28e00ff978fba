namespace ModelCompression.Onnx.Graph;

/// <summary>Copies the part of a graph that some of its values depend on into another graph. Tensors are shared; they never change.</summary>
public sealed class GraphCopy
{
    private readonly NodeCopier copier = new(keepsNames: false, keepsDeclarations: false);
    private readonly OnnxGraph source;
    private readonly OnnxGraph target;

    private GraphCopy(OnnxGraph source, OnnxGraph target)
    {
        (this.source, this.target) = (source, target);
        var inputs = target.Inputs.ToDictionary(i => i.Name, StringComparer.Ordinal);
        foreach (var input in source.Inputs)
            if (inputs.TryGetValue(input.Name, out var shared)) copier.Values.Add(input, shared);
    }

    /// <summary>The copy of a value; it is copied first if it was not yet. Values whose names matter are only the inputs.</summary>
    /// <exception cref="ArgumentException">The value is an input that the target does not have.</exception>
    public Value this[Value value]
    {
        get
        {
            if (!copier.Values.ContainsKey(value)) Copy(value);
            return copier.Values[value];
        }
    }

    /// <summary>Starts a copy; inputs of the source are those of the target with the same names.</summary>
    public static GraphCopy Start(OnnxGraph source, OnnxGraph target) => new(source, target);

    /// <summary>A model with the operator sets, functions and inputs of another, and no nodes.</summary>
    public static Model Empty(Model model)
    {
        var copy = new Model(new OnnxGraph(model.Graph.Name)) { IrVersion = Math.Max(4, model.IrVersion) };
        foreach (var (domain, version) in model.OpsetImports.All) copy.OpsetImports[domain] = version;
        foreach (var function in model.Functions) copy.AddFunction(function);
        foreach (var input in model.Graph.Inputs)
            if (input.Initializer is null && input.SparseInitializer is null) copy.Graph.AddInput(copy.Graph.NewName(input.Name), input.Type);
        return copy;
    }

    /// <summary>Copies what a value needs, producers first; an explicit stack, since graphs are deep.</summary>
    private void Copy(Value wanted)
    {
        var stack = new Stack<Value>([wanted]);
        while (stack.TryPeek(out var value))
        {
            if (copier.Values.ContainsKey(value))
            {
                stack.Pop();
                continue;
            }

            if (value.Producer is not { } node)
            {
                if (value.Initializer is null && value.SparseInitializer is null) throw new ArgumentException($"'{value.Name}' is neither computed nor a constant, and no input of the target.");
                copier.CopyInitializer(value, target);
                continue;
            }

            var missing = Needs(node).Where(v => !copier.Values.ContainsKey(v)).ToList();
            foreach (var input in missing) stack.Push(input);
            if (missing.Count > 0) continue;
            copier.Define(node, target);
            copier.Connect(node, target);
        }
    }

    /// <summary>Values of the source graph that a node reads, captured ones included.</summary>
    private IEnumerable<Value> Needs(Node node)
    {
        foreach (var input in node.Inputs)
            if (input is not null && input.Graph == source) yield return input;
        foreach (var inner in node.Subgraphs.SelectMany(g => g.SelfAndSubgraphs()))
        {
            foreach (var value in inner.Nodes.SelectMany(n => n.Inputs).Concat(inner.Outputs))
                if (value is not null && value.Graph == source) yield return value;
        }
    }
}
