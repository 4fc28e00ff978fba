using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization.Proto;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Serialization.Reading;

/// <summary>
/// Fills one graph. All values are made before any input is looked up, because files are not always in topological order and subgraphs
/// use what outer graphs define.
/// </summary>
internal sealed class GraphReader
{
    private readonly ReadContext context;
    private readonly OnnxGraph graph;
    private readonly NameScope scope;
    private readonly AttributeReader attributes;
    private readonly TensorReader tensors;

    /// <summary>Prepares reading into <paramref name="graph"/>, whose names are looked up in <paramref name="outer"/> too.</summary>
    public GraphReader(ReadContext context, OnnxGraph graph, NameScope? outer)
    {
        this.context = context;
        this.graph = graph;
        scope = new NameScope(outer);
        tensors = new TensorReader(context);
        attributes = new AttributeReader(context, ReadSubgraph);
    }

    /// <summary>Reads the attributes of anything that stands in this graph.</summary>
    public AttributeReader Attributes => attributes;

    /// <summary>Reads a whole graph.</summary>
    public void Read(GraphProto proto)
    {
        graph.Name = proto.Name;
        graph.DocString = proto.DocString;
        foreach (var info in proto.Input) AddInput(info.Name, info);
        foreach (var initializer in proto.Initializer) AddInitializer(initializer);
        foreach (var initializer in proto.SparseInitializer) AddSparseInitializer(initializer);
        ReadNodes(proto.Node);
        var outputInfo = new Dictionary<Value, ValueInfoProto>();
        foreach (var info in proto.Output) AddOutput(info, outputInfo);
        var unclaimed = ReadValueInfo(proto.ValueInfo);
        foreach (var annotation in proto.QuantizationAnnotation) MarkReferenced(annotation);
        proto.Node.Clear();
        proto.Initializer.Clear();
        proto.SparseInitializer.Clear();
        proto.Input.Clear();
        proto.Output.Clear();
        proto.ValueInfo.Clear();
        proto.ValueInfo.Add(unclaimed);
        graph.Opaque = new GraphOrigin(proto, outputInfo);
    }

    /// <summary>Adds an input that the file declares by <paramref name="info"/>, or, in a function, by name only.</summary>
    public void AddInput(string name, ValueInfoProto? info)
    {
        var value = graph.AddInput(name, TypeConversion.Read(info?.Type));
        value.Opaque = info;
        value.DocString = info?.DocString ?? "";
        Define(value, "an input");
    }

    /// <summary>Adds nodes: first all outputs, then inputs and attributes.</summary>
    public void ReadNodes(IReadOnlyList<NodeProto> protos)
    {
        var nodes = protos.Select(DefineNode).ToList();
        for (int i = 0; i < nodes.Count; i++) ConnectNode(nodes[i], protos[i]);
        if (!graph.TrySortTopologically())
        {
            var cycle = TopologicalOrder.FindCycle(graph.Nodes);
            throw context.Error("MCB2009", $"{Place} has a cycle through {string.Join(" -> ", cycle.Take(8).Select(n => n.ToString()))}. A model must be free of cycles; export it again.");
        }

        if (!graph.Nodes.SequenceEqual(nodes))
            context.Note(Diagnostic.Note("MCB2017", $"{Place} had nodes before the nodes they depend on; they have been put in order."));
    }

    /// <summary>Adds the output that a function names.</summary>
    public void AddOutput(string name) => graph.AddOutput(FindOutput(name));

    /// <summary>Gives inner values what the file declares about them and returns the entries that fit no inner value.</summary>
    public List<ValueInfoProto> ReadValueInfo(IEnumerable<ValueInfoProto> infos)
    {
        var unclaimed = new List<ValueInfoProto>();
        foreach (var info in infos)
        {
            graph.ReserveName(info.Name);
            if (!scope.TryGetOwn(info.Name, out var value) || value.Opaque is not null)
            {
                unclaimed.Add(info);
                continue;
            }

            Declare(value, info);
        }

        return unclaimed;
    }

    private string Place => graph.ParentNode is { } parent ? $"The subgraph of {parent}" : graph.Name.Length > 0 ? $"Graph '{graph.Name}'" : "The graph";

    private void AddInitializer(TensorProto proto)
    {
        string name = RequireName(proto.Name);
        var tensor = tensors.Read(proto, $"Initializer '{name}'");
        var value = InitializerValue(name);
        var declared = value.Type;
        graph.SetInitializer(value, tensor);
        // A declared type may be broader than the constant's (symbols); the constant's own is what analysis wants.
        if (declared is not (null or TensorType)) value.Type = declared;
    }

    private void AddSparseInitializer(SparseTensorProto proto)
    {
        string name = RequireName(proto.Values?.Name);
        var sparse = attributes.ReadSparse(proto, $"Sparse initializer '{name}'");
        graph.AddSparseInitializer(InitializerValue(name), sparse);
    }

    private string RequireName(string? name) => !string.IsNullOrEmpty(name)
        ? name
        : throw context.Error("MCB2008", $"{Place} has an initializer without a name. The file is damaged; export or download it again.");

    private Value InitializerValue(string name)
    {
        if (scope.TryGetOwn(name, out var value))
        {
            if (value.IsGraphInput && value.Initializer is null && value.SparseInitializer is null) return value;
            throw Duplicate(name, "an initializer");
        }

        value = graph.NewValue(name);
        scope.TryDefine(value);
        return value;
    }

    private Node DefineNode(NodeProto proto)
    {
        var node = new Node(proto.Domain, proto.OpType, proto.Name) { Overload = proto.Overload, DocString = proto.DocString };
        if (proto.OpType.Length == 0) throw context.Error("MCB2016", $"{Place} has a node '{proto.Name}' without an operator. The file is damaged; export or download it again.");
        graph.AppendNode(node);
        foreach (string output in proto.Output)
        {
            var value = output.Length == 0 ? null : graph.NewValue(output);
            node.AddOutput(value);
            if (value is not null) Define(value, $"an output of {node}");
        }

        return node;
    }

    private void ConnectNode(Node node, NodeProto proto)
    {
        for (int i = 0; i < proto.Input.Count; i++)
        {
            if (proto.Input[i].Length == 0) node.PadInput(i);
            else node.SetInput(i, scope.Find(proto.Input[i]) ?? throw Dangling(node, proto.Input[i]));
        }

        foreach (var attribute in proto.Attribute)
        {
            if (node.TryGetAttribute(attribute.Name, out _))
                throw context.Error("MCB2016", $"{node} has attribute '{attribute.Name}' twice. The file is damaged; export or download it again.");
            pendingParent = node;
            node.SetAttribute(attributes.Read(attribute, node.ToString()));
        }

        foreach (var sharding in proto.DeviceConfigurations.SelectMany(c => c.ShardingSpec)) MarkReferenced(sharding.TensorName);
        proto.Input.Clear();
        proto.Output.Clear();
        proto.Attribute.Clear();
        node.Opaque = proto;
    }

    private Node? pendingParent;

    private OnnxGraph ReadSubgraph(GraphProto proto)
    {
        var subgraph = new OnnxGraph(proto.Name, graph) { ParentNode = pendingParent };
        new GraphReader(context, subgraph, scope).Read(proto);
        return subgraph;
    }

    private void AddOutput(ValueInfoProto info, Dictionary<Value, ValueInfoProto> outputInfo)
    {
        var value = FindOutput(info.Name);
        graph.AddOutput(value);
        if (value.Opaque is null && value.Graph == graph) Declare(value, info);
        else outputInfo.TryAdd(value, info);
    }

    private Value FindOutput(string name) => scope.Find(name)
        ?? throw context.Error("MCB2010", $"{Place} returns '{name}', which nothing computes. The model is incomplete; export it again.");

    private static void Declare(Value value, ValueInfoProto info)
    {
        value.Opaque = info;
        value.DocString = info.DocString;
        if (value.Initializer is null && TypeConversion.Read(info.Type) is { } type) value.Type = type;
    }

    private void MarkReferenced(TensorAnnotation annotation)
    {
        MarkReferenced(annotation.TensorName);
        foreach (var entry in annotation.QuantParameterTensorNames) MarkReferenced(entry.Value);
    }

    private void MarkReferenced(string name)
    {
        if (scope.Find(name) is { } value) value.IsReferencedByName = true;
    }

    private void Define(Value value, string role)
    {
        if (value.Name.Length > 0 && !scope.TryDefine(value)) throw Duplicate(value.Name, role);
    }

    private DiagnosticException Duplicate(string name, string role) =>
        context.Error("MCB2008", $"{Place} defines '{name}' as {role} although the name is taken. Names of a graph must be unique; export the model again.");

    private DiagnosticException Dangling(Node node, string name) =>
        context.Error("MCB2007", $"{node} takes '{name}', which is no input, initializer or output of another node. The model is incomplete; export it again.");
}
