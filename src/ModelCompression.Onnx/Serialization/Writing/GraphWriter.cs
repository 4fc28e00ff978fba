using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization.Proto;

namespace ModelCompression.Onnx.Serialization.Writing;

/// <summary>
/// Makes messages of graphs. Each starts from the message it was read from, if any, so that what this library does not model is kept,
/// and an absent field stays absent where the value is the default.
/// </summary>
internal sealed class GraphWriter(TensorTable table)
{
    /// <summary>Makes the message of a graph.</summary>
    public GraphProto Write(OnnxGraph graph)
    {
        var origin = graph.Opaque as GraphOrigin;
        var proto = origin?.Proto.Clone() ?? new GraphProto();
        var unclaimed = proto.ValueInfo.ToArray();
        proto.ValueInfo.Clear();
        if (origin is null || proto.Name != graph.Name) proto.Name = graph.Name;
        if (proto.DocString != graph.DocString) proto.DocString = graph.DocString;
        foreach (var input in graph.Inputs) proto.Input.Add(WriteInfo(input, null));
        foreach (var value in graph.Initializers)
        {
            if (value.Initializer is { } tensor) proto.Initializer.Add(table.AddInitializer(value.Name, tensor));
            else proto.SparseInitializer.Add(WriteSparse(value));
        }

        foreach (var node in graph.Nodes) proto.Node.Add(Write(node));
        foreach (var output in graph.Outputs) proto.Output.Add(WriteInfo(output, origin?.OutputInfo.GetValueOrDefault(output)));
        proto.ValueInfo.Add(InnerInfo(graph));
        proto.ValueInfo.Add(unclaimed);
        return proto;
    }

    /// <summary>Makes the message of a function.</summary>
    public FunctionProto Write(Function function)
    {
        var origin = function.Opaque as FunctionProto;
        var proto = origin?.Clone() ?? new FunctionProto { Domain = function.Domain, Name = function.Name };
        var unclaimed = proto.ValueInfo.ToArray();
        proto.ValueInfo.Clear();
        if (proto.Overload != function.Overload) proto.Overload = function.Overload;
        if (proto.DocString != function.DocString) proto.DocString = function.DocString;
        proto.Input.Add(function.Body.Inputs.Select(v => v.Name));
        proto.Output.Add(function.Body.Outputs.Select(v => v.Name));
        proto.Node.Add(function.Body.Nodes.Select(Write));
        proto.Attribute.Clear();
        proto.Attribute.Add(function.AttributeNames);
        proto.AttributeProto.Add(function.AttributeDefaults.Select(Write));
        proto.ValueInfo.Add(function.Body.Inputs.Where(v => v.Opaque is ValueInfoProto).Select(v => WriteInfo(v, null)));
        proto.ValueInfo.Add(InnerInfo(function.Body, withOutputs: true));
        proto.ValueInfo.Add(unclaimed);
        WriteOpsets(function.OpsetImports, proto.OpsetImport);
        return proto;
    }

    /// <summary>Brings a list of opset imports up to date, keeping what else its entries say.</summary>
    public static void WriteOpsets(OpsetImports opsets, Google.Protobuf.Collections.RepeatedField<OperatorSetIdProto> protos)
    {
        var origins = protos.ToList();
        protos.Clear();
        foreach (var (domain, version) in opsets.All)
        {
            var proto = origins.Find(o => o.Domain == domain) ?? new OperatorSetIdProto { Domain = domain };
            if (proto.Version != version) proto.Version = version;
            protos.Add(proto);
        }
    }

    /// <summary>Entries for the values inside a graph that the file declared; inferred types are not written, they only cost bytes.</summary>
    private static IEnumerable<ValueInfoProto> InnerInfo(OnnxGraph graph, bool withOutputs = false)
    {
        var produced = graph.Nodes.SelectMany(n => n.Outputs.OfType<Value>());
        foreach (var value in graph.Initializers.Where(v => !v.IsGraphInput).Concat(produced))
            if (value.Opaque is ValueInfoProto && (withOutputs || !value.OutputOf.Contains(graph))) yield return WriteInfo(value, null);
    }

    private static ValueInfoProto WriteInfo(Value value, ValueInfoProto? origin)
    {
        origin ??= value.Opaque as ValueInfoProto;
        var proto = origin?.Clone() ?? new ValueInfoProto();
        if (origin is null || proto.Name != value.Name) proto.Name = value.Name;
        if (proto.DocString != value.DocString && origin == value.Opaque) proto.DocString = value.DocString;
        if (value.Type is { } type && !(proto.Type is { } declared && TypeConversion.Covers(declared, type))) proto.Type = TypeConversion.Write(type);
        return proto;
    }

    private SparseTensorProto WriteSparse(Value value)
    {
        var proto = table.Add(value.SparseInitializer!);
        if (proto.Values.Name != value.Name) proto.Values.Name = value.Name;
        return proto;
    }

    private NodeProto Write(Node node)
    {
        var origin = node.Opaque as NodeProto;
        var proto = origin?.Clone() ?? new NodeProto();
        proto.Input.Add(node.Inputs.Select(v => v?.Name ?? ""));
        proto.Output.Add(node.Outputs.Select(v => v?.Name ?? ""));
        if (proto.OpType != node.OpType) proto.OpType = node.OpType;
        if (proto.Domain != node.Domain) proto.Domain = node.Domain;
        if (proto.Name != node.Name) proto.Name = node.Name;
        if (proto.Overload != node.Overload) proto.Overload = node.Overload;
        if (proto.DocString != node.DocString) proto.DocString = node.DocString;
        proto.Attribute.Add(node.Attributes.Select(Write));
        return proto;
    }

    private AttributeProto Write(NodeAttribute attribute)
    {
        var origin = attribute.Opaque as AttributeProto;
        var proto = origin?.Clone() ?? new AttributeProto { Name = attribute.Name };
        var type = (AttributeProto.Types.AttributeType)attribute.Type;
        if (proto.Type != type) proto.Type = type;
        if (proto.DocString != attribute.DocString) proto.DocString = attribute.DocString;
        if (attribute.ReferencedName is { } reference)
        {
            if (proto.RefAttrName != reference) proto.RefAttrName = reference;
            return proto;
        }

        WriteContent(attribute, proto, isNew: origin is null);
        return proto;
    }

    /// <summary>Attributes are immutable: simple content is still in the message it was read from.</summary>
    private void WriteContent(NodeAttribute attribute, AttributeProto proto, bool isNew)
    {
        switch (attribute.Type)
        {
            case AttributeType.Tensor: proto.T = table.Add(attribute.Tensor); break;
            case AttributeType.Graph: proto.G = Write(attribute.Graph); break;
            case AttributeType.SparseTensor: proto.SparseTensor = table.Add(attribute.SparseTensors[0]); break;
            case AttributeType.Tensors: proto.Tensors.Add(attribute.Tensors.Select(table.Add)); break;
            case AttributeType.Graphs: proto.Graphs.Add(attribute.Graphs.Select(Write)); break;
            case AttributeType.SparseTensors: proto.SparseTensors.Add(attribute.SparseTensors.Select(table.Add)); break;
            case var _ when !isNew: break;
            case AttributeType.Float: proto.F = attribute.Float; break;
            case AttributeType.Int: proto.I = attribute.Int; break;
            case AttributeType.String: proto.S = Google.Protobuf.ByteString.CopyFrom(attribute.Bytes.Span); break;
            case AttributeType.Floats: proto.Floats.Add(attribute.Floats); break;
            case AttributeType.Ints: proto.Ints.Add(attribute.Ints); break;
            case AttributeType.Strings: proto.Strings.Add(attribute.Strings.Select(s => Google.Protobuf.ByteString.CopyFrom(s.Span))); break;
            case AttributeType.TypeProto: proto.Tp = TypeConversion.Write(attribute.Types[0]); break;
            case AttributeType.TypeProtos: proto.TypeProtos.Add(attribute.Types.Select(TypeConversion.Write)); break;
            case AttributeType.Undefined: break;
            default: throw new InvalidOperationException($"Attribute '{attribute.Name}' has the unknown kind {attribute.Type}.");
        }
    }
}
