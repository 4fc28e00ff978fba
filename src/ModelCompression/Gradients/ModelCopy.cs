using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients;

/// <summary>A copy of a model's structure to build on; tensors and functions are shared, since neither changes.</summary>
internal sealed class ModelCopy
{
    private readonly Dictionary<Value, Value> values = new(ReferenceEqualityComparer.Instance);

    private ModelCopy(Model model)
    {
        Model = model;
    }

    /// <summary>The copy.</summary>
    public Model Model { get; }

    /// <summary>The copy's value for one of the source's main graph.</summary>
    public Value this[Value source] => values[source];

    /// <summary>Copies a model. Names stay; the initializers in <paramref name="asInputs"/> become inputs without a stored value.</summary>
    /// <param name="source">The model.</param>
    /// <param name="asInputs">Constants of the main graph (initializers or outputs of <c>Constant</c> nodes).</param>
    public static ModelCopy Of(Model source, IReadOnlyCollection<Value> asInputs)
    {
        var copy = new ModelCopy(new Model(new OnnxGraph(source.Graph.Name)) { IrVersion = Math.Max(4, source.IrVersion) });
        foreach (var (domain, version) in source.OpsetImports.All) copy.Model.OpsetImports[domain] = version;
        foreach (var function in source.Functions) copy.Model.AddFunction(function);
        copy.CopyGraph(source.Graph, copy.Model.Graph, asInputs.ToHashSet());
        return copy;
    }

    private void CopyGraph(OnnxGraph from, OnnxGraph to, HashSet<Value> asInputs)
    {
        foreach (var input in from.Inputs) values[input] = to.AddInput(to.NewName(input.Name), input.Type);
        foreach (var initializer in from.Initializers)
        {
            if (initializer.Initializer is not { } tensor) throw new NotSupportedException($"'{initializer.Name}' is a sparse initializer.");
            if (asInputs.Contains(initializer)) values.TryAdd(initializer, to.AddInput(to.NewName(initializer.Name), initializer.Type));
            else if (values.TryGetValue(initializer, out var input)) to.SetInitializer(input, tensor);
            else values[initializer] = to.AddInitializer(initializer.Name, tensor);
        }

        foreach (var node in from.Nodes) CopyNode(node, to, asInputs);
        foreach (var output in from.Outputs) to.AddOutput(values[output]);
    }

    private void CopyNode(Node node, OnnxGraph to, HashSet<Value> asInputs)
    {
        if (node.Outputs is [{ } constant] && asInputs.Contains(constant) && constant.TryGetConstant(out var tensor))
        {
            values[constant] = to.AddInput(to.NewName(constant.Name), new Onnx.Tensors.TensorType(tensor.DataType, Onnx.Tensors.Shape.Of(tensor.Dims)));
            return;
        }

        // MaxPool also tells which elements it took: its gradient goes back to them.
        string[] outputs = [.. node.Outputs.Select(o => o?.Name ?? "")];
        if (node.Is("MaxPool") && outputs.Length == 1) outputs = [outputs[0], to.NewName(outputs[0] + "_taken")];
        var copy = to.AddNode(node.OpType, node.Inputs.Select(i => i is null ? null : values[i]).ToArray(), outputs, node.Attributes.Select(a => CopyAttribute(a, to)).ToArray(), node.Domain, node.Name);
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
        var inner = new OnnxGraph(attribute.Graph.Name, outer);
        CopyGraph(attribute.Graph, inner, []);
        return NodeAttribute.Of(attribute.Name, inner);
    }
}
