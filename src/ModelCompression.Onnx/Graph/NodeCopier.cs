namespace ModelCompression.Onnx.Graph;

/// <summary>Copies graphs and single nodes with everything inside them. Tensors are shared; they never change.</summary>
/// <param name="keepsNames">True into a name space of its own; false for names that are free, without those of nodes, which may occur only once in a file.</param>
/// <param name="keepsDeclarations">False to leave out what the file declares of values, so that other sizes can be stated.</param>
internal sealed class NodeCopier(bool keepsNames, bool keepsDeclarations)
{
    /// <summary>The copies of values.</summary>
    public Dictionary<Value, Value> Values { get; } = new(ReferenceEqualityComparer.Instance);

    /// <summary>The copies of nodes.</summary>
    public Dictionary<Node, Node> Nodes { get; } = new(ReferenceEqualityComparer.Instance);

    /// <summary>Copies a whole graph into an empty one.</summary>
    public void Copy(OnnxGraph source, OnnxGraph target)
    {
        target.DocString = source.DocString;
        foreach (var input in source.Inputs) Describe(input, target.AddInput(NameIn(target, input.Name), input.Type));
        foreach (var initializer in source.Initializers) CopyInitializer(initializer, target);
        foreach (var node in source.Nodes) Define(node, target);
        foreach (var node in source.Nodes) Connect(node, target);
        foreach (var output in source.Outputs) target.AddOutput(Values[output]);
        if (keepsNames && keepsDeclarations) target.Opaque = source.Opaque is ICopiedOpaque opaque ? opaque.CopyFor(Values) : source.Opaque;
    }

    /// <summary>Copies a constant, which may be an input that was copied already.</summary>
    public void CopyInitializer(Value source, OnnxGraph target)
    {
        if (!Values.TryGetValue(source, out var value)) value = target.NewValue(NameIn(target, source.Name));
        if (source.Initializer is { } tensor) target.SetInitializer(value, tensor);
        else target.AddSparseInitializer(value, source.SparseInitializer!);
        Describe(source, value);
    }

    /// <summary>Appends a node with its outputs.</summary>
    public void Define(Node source, OnnxGraph target)
    {
        var node = new Node(source.Domain, source.OpType, keepsNames ? source.Name : "") { Overload = source.Overload, DocString = source.DocString, Opaque = source.Opaque };
        target.AppendNode(node);
        Nodes.Add(source, node);
        foreach (var output in source.Outputs)
        {
            var value = output is null ? null : target.NewValue(NameIn(target, output.Name));
            node.AddOutput(value);
            if (value is not null) Describe(output!, value);
        }
    }

    /// <summary>Gives the copy of a node its inputs, which must have been copied, and its attributes.</summary>
    public void Connect(Node source, OnnxGraph target)
    {
        var node = Nodes[source];
        for (int i = 0; i < source.Inputs.Count; i++)
        {
            if (source.Inputs[i] is { } input) node.SetInput(i, Values[input]);
            else node.PadInput(i);
        }

        foreach (var attribute in source.Attributes) node.SetAttribute(attribute.Graphs.Count == 0 ? attribute : Copy(attribute, target));
    }

    private NodeAttribute Copy(NodeAttribute source, OnnxGraph outer)
    {
        var graphs = source.Graphs.Select(g =>
        {
            var graph = new OnnxGraph(g.Name, outer);
            Copy(g, graph);
            return graph;
        }).ToArray();
        return new(source.Name, source.Type, source.Type == AttributeType.Graph ? graphs[0] : (IReadOnlyList<OnnxGraph>)graphs)
        {
            ReferencedName = source.ReferencedName,
            DocString = source.DocString,
            Opaque = source.Opaque,
        };
    }

    private string NameIn(OnnxGraph graph, string name) => keepsNames ? name : graph.NewName(name);

    private void Describe(Value source, Value copy)
    {
        Values[source] = copy;
        copy.Type = source.Type;
        copy.DocString = source.DocString;
        if (keepsDeclarations) copy.Opaque = source.Opaque;
        copy.IsReferencedByName = keepsNames && source.IsReferencedByName;
    }
}
