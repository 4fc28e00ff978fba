using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Onnx.Graph;

/// <summary>Copies the part of a graph that some of its values depend on into another graph. Tensors are shared; they never change.</summary>
public sealed class GraphCopy
{
    private readonly NodeCopier copier = new(keepsNames: false, keepsDeclarations: false);
    private readonly OnnxGraph target;

    private GraphCopy(OnnxGraph source, OnnxGraph target)
    {
        this.target = target;
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

    /// <summary>Lets an input of the target stand for a value, so that what computes it is not copied.</summary>
    /// <param name="value">A value that has not been copied yet.</param>
    /// <param name="type">Type of the input.</param>
    /// <returns>The input.</returns>
    public Value AddInput(Value value, ValueType? type)
    {
        var input = target.AddInput(target.NewName(value.Name), type);
        copier.Values.Add(value, input);
        return input;
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

    /// <summary>Values of a node's own graph that it reads, those that its subgraphs capture included.</summary>
    public static IEnumerable<Value> Needs(Node node)
    {
        foreach (var input in node.Inputs)
            if (input is not null && input.Graph == node.Graph) yield return input;
        foreach (var inner in node.Subgraphs.SelectMany(g => g.SelfAndSubgraphs()))
        {
            foreach (var value in inner.Nodes.SelectMany(n => n.Inputs).Concat(inner.Outputs))
                if (value is not null && value.Graph == node.Graph) yield return value;
        }
    }
}
