using Google.Protobuf;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization.Proto;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Serialization.Writing;

/// <summary>A model turned into its message, tensor data apart.</summary>
internal sealed class ModelMessage
{
    private readonly TensorTable table = new();
    private readonly ModelProto proto;
    private MessageSplicer splicer;

    /// <summary>Makes the message.</summary>
    public ModelMessage(Model model)
    {
        proto = Build(model);
        splicer = Splice();
    }

    /// <summary>Bytes of the whole message with all tensors that are not external.</summary>
    public long ByteLength => splicer.ByteLength;

    /// <summary>Moves large initializers into an external file.</summary>
    /// <param name="location">Name of that file.</param>
    public ExternalDataLayout MoveData(string location)
    {
        var layout = ExternalDataLayout.Plan(table.Initializers, location);
        splicer = Splice();
        return layout;
    }

    /// <summary>Lets large initializers that lie in files refer to their places there.</summary>
    /// <param name="folder">Folder that locations are relative to.</param>
    public void ReferData(string folder)
    {
        ExternalDataLayout.ReferToFiles(table.Initializers, folder);
        splicer = Splice();
    }

    /// <summary>Writes the message.</summary>
    public void WriteTo(Stream stream, CancellationToken cancellation) => splicer.WriteTo(stream, cancellation);

    /// <summary>The tensors of the message, to be discarded one by one.</summary>
    public PendingDiscards BeginDiscards() => new(table.Data);

    /// <summary>SHA-256 of the message in lower-case hexadecimal. May run beside <see cref="WriteTo"/>.</summary>
    /// <param name="passed">Is told each tensor that the digest does not need any more.</param>
    /// <param name="cancellation">Stops it.</param>
    public string Digest(Action<TensorData>? passed, CancellationToken cancellation)
    {
        using var sink = new DigestStream();
        splicer.WriteTo(sink, cancellation, passed);
        return sink.ToHexString();
    }

    private MessageSplicer Splice() => new(proto.ToByteArray(), table.Data);

    private ModelProto Build(Model model)
    {
        var origin = model.Opaque as ModelProto;
        var message = origin?.Clone() ?? new ModelProto();
        if (message.IrVersion != model.IrVersion) message.IrVersion = model.IrVersion;
        if (message.ProducerName != model.ProducerName) message.ProducerName = model.ProducerName;
        if (message.ProducerVersion != model.ProducerVersion) message.ProducerVersion = model.ProducerVersion;
        if (message.Domain != model.Domain) message.Domain = model.Domain;
        if (message.ModelVersion != model.ModelVersion) message.ModelVersion = model.ModelVersion;
        if (message.DocString != model.DocString) message.DocString = model.DocString;
        GraphWriter.WriteOpsets(model.OpsetImports, message.OpsetImport);
        WriteMetadata(model, message);
        var writer = new GraphWriter(table);
        message.Graph = writer.Write(model.Graph);
        message.Functions.Add(model.Functions.Select(writer.Write));
        return message;
    }

    private static void WriteMetadata(Model model, ModelProto message)
    {
        var origins = message.MetadataProps.ToList();
        message.MetadataProps.Clear();
        foreach (var (key, value) in model.Metadata)
        {
            int at = origins.FindIndex(o => o.Key == key);
            var entry = at >= 0 ? origins[at] : new StringStringEntryProto { Key = key };
            if (at >= 0) origins.RemoveAt(at);
            if (entry.Value != value) entry.Value = value;
            message.MetadataProps.Add(entry);
        }
    }
}
