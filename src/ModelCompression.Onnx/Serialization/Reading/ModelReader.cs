using Google.Protobuf;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization.Proto;

namespace ModelCompression.Onnx.Serialization.Reading;

/// <summary>Makes a model of its slim message.</summary>
internal sealed class ModelReader(ReadContext context)
{
    /// <summary>The newest IR version whose fields this library knows.</summary>
    public const long NewestIrVersion = (long)Proto.Version.IrVersion;

    /// <summary>Reads the model.</summary>
    public Model Read()
    {
        var proto = Parse();
        if (proto.Graph is null) throw context.Error("MCB2002", "The file holds no ONNX graph, so it is no ONNX model. Give the path of a .onnx file.");
        if (proto.IrVersion > NewestIrVersion)
            context.Note(Diagnostic.Warning("MCB2005", $"The model has IR version {proto.IrVersion}; {NewestIrVersion} is the newest this version knows. What newer versions added is passed through as it is; update the package or export for an older version."));
        var model = new Model(new OnnxGraph())
        {
            IrVersion = proto.IrVersion,
            ProducerName = proto.ProducerName,
            ProducerVersion = proto.ProducerVersion,
            Domain = proto.Domain,
            ModelVersion = proto.ModelVersion,
            DocString = proto.DocString,
            HasTrainingInfo = proto.TrainingInfo.Count > 0,
        };
        foreach (var entry in proto.MetadataProps) model.Metadata.Add(new(entry.Key, entry.Value));
        ReadOpsets(proto.OpsetImport, model.OpsetImports);
        new GraphReader(context, model.Graph, null).Read(proto.Graph);
        foreach (var function in proto.Functions) model.AddFunction(ReadFunction(function));
        if (model.HasTrainingInfo) MarkTrained(model.Graph, proto.TrainingInfo);
        proto.Graph = null;
        proto.Functions.Clear();
        model.Opaque = proto;
        return model;
    }

    private ModelProto Parse()
    {
        try
        {
            return ModelProto.Parser.ParseFrom(context.Slim.Bytes.Span);
        }
        catch (InvalidProtocolBufferException error)
        {
            // Nesting that the slimmer does not follow (types of types, unknown groups) ends here too.
            throw context.Error("MCB2003", $"The file is damaged: {error.Message.ReplaceLineEndings(" ")} Export or download it again.", error);
        }
    }

    private static void ReadOpsets(IEnumerable<OperatorSetIdProto> protos, OpsetImports opsets)
    {
        foreach (var proto in protos) opsets[proto.Domain] = proto.Version;
    }

    private Function ReadFunction(FunctionProto proto)
    {
        var body = new OnnxGraph(proto.Name);
        var reader = new GraphReader(context, body, null);
        foreach (string input in proto.Input) reader.AddInput(input, null);
        reader.ReadNodes(proto.Node);
        foreach (string output in proto.Output) reader.AddOutput(output);
        var unclaimed = reader.ReadValueInfo(proto.ValueInfo);
        var function = new Function(proto.Domain, proto.Name, body)
        {
            Overload = proto.Overload,
            AttributeNames = [.. proto.Attribute],
            AttributeDefaults = [.. proto.AttributeProto.Select(a => reader.Attributes.Read(a, $"function '{proto.Name}'"))],
            DocString = proto.DocString,
        };
        ReadOpsets(proto.OpsetImport, function.OpsetImports);
        proto.Input.Clear();
        proto.Output.Clear();
        proto.Node.Clear();
        proto.AttributeProto.Clear();
        proto.ValueInfo.Clear();
        proto.ValueInfo.Add(unclaimed);
        function.Opaque = proto;
        return function;
    }

    /// <summary>Training graphs refer to values of the main graph by name; those must neither change nor disappear.</summary>
    private static void MarkTrained(OnnxGraph graph, IReadOnlyList<TrainingInfoProto> infos)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var info in infos)
        {
            foreach (var binding in info.InitializationBinding.Concat(info.UpdateBinding))
            {
                names.Add(binding.Key);
                names.Add(binding.Value);
            }

            if (info.Initialization is not null) CollectNames(info.Initialization, names);
            if (info.Algorithm is not null) CollectNames(info.Algorithm, names);
        }

        foreach (var value in graph.Inputs.Concat(graph.Initializers).Concat(graph.Nodes.SelectMany(n => n.Outputs.OfType<Value>())))
            if (names.Contains(value.Name)) value.IsReferencedByName = true;
    }

    private static void CollectNames(GraphProto graph, HashSet<string> names)
    {
        foreach (var output in graph.Output) names.Add(output.Name);
        foreach (var node in graph.Node)
        {
            names.UnionWith(node.Input);
            foreach (var attribute in node.Attribute)
            {
                if (attribute.G is not null) CollectNames(attribute.G, names);
                foreach (var subgraph in attribute.Graphs) CollectNames(subgraph, names);
            }
        }
    }
}
