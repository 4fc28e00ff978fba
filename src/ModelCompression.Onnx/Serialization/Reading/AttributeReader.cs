using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization.Proto;
using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Onnx.Serialization.Reading;

/// <summary>Makes attributes of <see cref="AttributeProto"/>s.</summary>
/// <param name="context">What the reading shares.</param>
/// <param name="readGraph">Reads a subgraph.</param>
internal sealed class AttributeReader(ReadContext context, Func<GraphProto, OnnxGraph> readGraph)
{
    private readonly TensorReader tensors = new(context);

    /// <summary>Reads an attribute.</summary>
    /// <param name="proto">The message; kept, without its tensors and graphs, for writing.</param>
    /// <param name="owner">What it belongs to, for errors.</param>
    public NodeAttribute Read(AttributeProto proto, string owner)
    {
        var type = proto.HasType && proto.Type != AttributeProto.Types.AttributeType.Undefined ? (AttributeType)proto.Type : Guess(proto);
        if (proto.Name.Length == 0) throw context.Error("MCB2016", $"{owner} has an attribute without a name. The file is damaged; export or download it again.");
        bool isReference = proto.RefAttrName.Length > 0;
        var attribute = new NodeAttribute(proto.Name, type, isReference ? null : ReadContent(proto, type, $"Attribute '{proto.Name}' of {owner}"))
        {
            ReferencedName = isReference ? proto.RefAttrName : null,
            DocString = proto.DocString,
            Opaque = proto,
        };
        if (isReference) return attribute;
        proto.T = null;
        proto.G = null;
        proto.SparseTensor = null;
        proto.Tensors.Clear();
        proto.Graphs.Clear();
        proto.SparseTensors.Clear();
        return attribute;
    }

    /// <summary>Files of IR version 1 do not state the kind.</summary>
    private static AttributeType Guess(AttributeProto proto) => proto switch
    {
        { HasF: true } => AttributeType.Float,
        { HasI: true } => AttributeType.Int,
        { HasS: true } => AttributeType.String,
        { T: not null } => AttributeType.Tensor,
        { G: not null } => AttributeType.Graph,
        { SparseTensor: not null } => AttributeType.SparseTensor,
        { Tp: not null } => AttributeType.TypeProto,
        { Floats.Count: > 0 } => AttributeType.Floats,
        { Ints.Count: > 0 } => AttributeType.Ints,
        { Strings.Count: > 0 } => AttributeType.Strings,
        { Tensors.Count: > 0 } => AttributeType.Tensors,
        { Graphs.Count: > 0 } => AttributeType.Graphs,
        { SparseTensors.Count: > 0 } => AttributeType.SparseTensors,
        { TypeProtos.Count: > 0 } => AttributeType.TypeProtos,
        _ => AttributeType.Undefined,
    };

    private object? ReadContent(AttributeProto proto, AttributeType type, string where) => type switch
    {
        AttributeType.Float => proto.F,
        AttributeType.Int => proto.I,
        AttributeType.String => proto.S.Memory,
        AttributeType.Tensor => tensors.Read(proto.T ?? throw Missing(where), where),
        AttributeType.Graph => readGraph(proto.G ?? throw Missing(where)),
        AttributeType.SparseTensor => ReadSparse(proto.SparseTensor ?? throw Missing(where), where),
        AttributeType.TypeProto => TypeConversion.Read(proto.Tp) ?? throw Missing(where),
        AttributeType.Floats => (IReadOnlyList<float>)[.. proto.Floats],
        AttributeType.Ints => (IReadOnlyList<long>)[.. proto.Ints],
        AttributeType.Strings => (IReadOnlyList<ReadOnlyMemory<byte>>)[.. proto.Strings.Select(s => s.Memory)],
        AttributeType.Tensors => (IReadOnlyList<Tensor>)[.. proto.Tensors.Select(t => tensors.Read(t, where))],
        AttributeType.Graphs => (IReadOnlyList<OnnxGraph>)[.. proto.Graphs.Select(readGraph)],
        AttributeType.SparseTensors => (IReadOnlyList<SparseTensor>)[.. proto.SparseTensors.Select(t => ReadSparse(t, where))],
        AttributeType.TypeProtos => (IReadOnlyList<ValueType>)[.. proto.TypeProtos.Select(t => TypeConversion.Read(t) ?? throw Missing(where))],
        AttributeType.Undefined => null,
        _ => throw context.Error("MCB2016", $"{where} has the kind {(int)type}, which no ONNX version up to IR {ModelReader.NewestIrVersion} defines. Export the model with a current exporter."),
    };

    /// <summary>Reads a sparse tensor.</summary>
    public SparseTensor ReadSparse(SparseTensorProto proto, string where)
    {
        var values = tensors.Read(proto.Values ?? throw Missing(where), $"{where} (values)");
        // Without any value there may be no indices either.
        var indices = proto.Indices is null ? Tensor.Int64([0]) : tensors.Read(proto.Indices, $"{where} (indices)");
        var sparse = new SparseTensor(values, indices, [.. proto.Dims]) { Opaque = proto };
        if (SparseProblem(sparse) is { } problem) throw context.Error("MCB2011", $"{where} {problem} The file is damaged; export or download it again.");
        proto.Values = null;
        proto.Dims.Clear();
        if (proto.Indices is not null) proto.Indices = new TensorProto();
        return sparse;
    }

    private static string? SparseProblem(SparseTensor sparse)
    {
        long rows = sparse.Values.ElementCount;
        int rank = sparse.Dims.Count;
        if (sparse.Values.Rank != 1) return "has values that are not a list.";
        if (sparse.Indices.DataType != DataType.Int64) return $"has indices of type {sparse.Indices.DataType} instead of Int64.";
        bool fits = sparse.Indices.Dims is [var linear] ? linear == rows : sparse.Indices.Dims is [var first, var second] && first == rows && second == rank;
        if (!fits) return $"has {rows} values but indices of shape [{string.Join(',', sparse.Indices.Dims.ToArray())}].";
        return sparse.Dims.Any(d => d < 0) ? "has a negative dimension." : null;
    }

    private Diagnostics.DiagnosticException Missing(string where) =>
        context.Error("MCB2016", $"{where} does not hold what its kind promises. The file is damaged; export or download it again.");
}
