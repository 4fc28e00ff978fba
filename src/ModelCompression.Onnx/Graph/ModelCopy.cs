namespace ModelCompression.Onnx.Graph;

/// <summary>
/// A second graph of the same model, to try something on: edits of one are not seen by the other. Constants are shared, so that a copy costs little; the copy is valid
/// as long as the original is not disposed.
/// </summary>
public sealed class ModelCopy
{
    private readonly Dictionary<Value, Value> values = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Node, Node> nodes = new(ReferenceEqualityComparer.Instance);

    private ModelCopy(Model source)
    {
        Model = new Model(new OnnxGraph(source.Graph.Name))
        {
            IrVersion = source.IrVersion,
            ProducerName = source.ProducerName,
            ProducerVersion = source.ProducerVersion,
            Domain = source.Domain,
            ModelVersion = source.ModelVersion,
            DocString = source.DocString,
            HasTrainingInfo = source.HasTrainingInfo,
            ExternalDataFiles = source.ExternalDataFiles,
            SourcePath = source.SourcePath,
            StoredByteLength = source.StoredByteLength,
            Notes = source.Notes,
            Opaque = source.Opaque,
        };
        foreach (var (domain, version) in source.OpsetImports.All) Model.OpsetImports[domain] = version;
        foreach (var entry in source.Metadata) Model.Metadata.Add(entry);
        foreach (var function in source.Functions) Model.AddFunction(Copy(function));
        Copy(source.Graph, Model.Graph);
    }

    /// <summary>The copy.</summary>
    public Model Model { get; }

    /// <summary>The copies of values.</summary>
    public IReadOnlyDictionary<Value, Value> Values => values;

    /// <summary>The copies of nodes.</summary>
    public IReadOnlyDictionary<Node, Node> Nodes => nodes;

    /// <summary>Copies a model.</summary>
    public static ModelCopy Of(Model model) => new(model);

    private Function Copy(Function source)
    {
        var function = new Function(source.Domain, source.Name, new OnnxGraph(source.Body.Name))
        {
            Overload = source.Overload,
            AttributeNames = source.AttributeNames,
            AttributeDefaults = source.AttributeDefaults,
            DocString = source.DocString,
            Opaque = source.Opaque,
        };
        foreach (var (domain, version) in source.OpsetImports.All) function.OpsetImports[domain] = version;
        Copy(source.Body, function.Body);
        return function;
    }

    private void Copy(OnnxGraph source, OnnxGraph target)
    {
        target.DocString = source.DocString;
        foreach (var input in source.Inputs) Describe(input, target.AddInput(input.Name, input.Type));
        foreach (var initializer in source.Initializers)
        {
            if (!values.TryGetValue(initializer, out var value)) value = target.NewValue(initializer.Name);
            if (initializer.Initializer is { } tensor) target.SetInitializer(value, tensor);
            else target.AddSparseInitializer(value, initializer.SparseInitializer!);
            Describe(initializer, value);
        }

        foreach (var node in source.Nodes) Define(node, target);
        foreach (var node in source.Nodes) Connect(node, nodes[node], target);
        foreach (var output in source.Outputs) target.AddOutput(values[output]);
        target.Opaque = source.Opaque is ICopiedOpaque opaque ? opaque.CopyFor(values) : source.Opaque;
    }

    private void Define(Node source, OnnxGraph target)
    {
        var node = new Node(source.Domain, source.OpType, source.Name) { Overload = source.Overload, DocString = source.DocString, Opaque = source.Opaque };
        target.AppendNode(node);
        nodes.Add(source, node);
        foreach (var output in source.Outputs)
        {
            var value = output is null ? null : target.NewValue(output.Name);
            node.AddOutput(value);
            if (value is not null) Describe(output!, value);
        }
    }

    private void Connect(Node source, Node node, OnnxGraph target)
    {
        for (int i = 0; i < source.Inputs.Count; i++)
        {
            if (source.Inputs[i] is { } input) node.SetInput(i, values[input]);
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

    private void Describe(Value source, Value copy)
    {
        values[source] = copy;
        copy.Type = source.Type;
        copy.DocString = source.DocString;
        copy.Opaque = source.Opaque;
        copy.IsReferencedByName = source.IsReferencedByName;
    }
}

/// <summary>What a file says beyond a graph, when it refers to the graph's values.</summary>
internal interface ICopiedOpaque
{
    /// <summary>The same for a copy of the graph.</summary>
    object CopyFor(IReadOnlyDictionary<Value, Value> copies);
}
