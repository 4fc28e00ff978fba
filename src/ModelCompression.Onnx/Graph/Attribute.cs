using System.Text;
using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Onnx.Graph;

/// <summary>Kinds of attribute values; the numbers are those of <c>AttributeProto.AttributeType</c>.</summary>
public enum AttributeType
{
    /// <summary>Not set.</summary>
    Undefined = 0,

    /// <summary>One float.</summary>
    Float = 1,

    /// <summary>One int64.</summary>
    Int = 2,

    /// <summary>One byte string.</summary>
    String = 3,

    /// <summary>One tensor.</summary>
    Tensor = 4,

    /// <summary>One graph.</summary>
    Graph = 5,

    /// <summary>Floats.</summary>
    Floats = 6,

    /// <summary>int64s.</summary>
    Ints = 7,

    /// <summary>Byte strings.</summary>
    Strings = 8,

    /// <summary>Tensors.</summary>
    Tensors = 9,

    /// <summary>Graphs.</summary>
    Graphs = 10,

    /// <summary>One sparse tensor.</summary>
    SparseTensor = 11,

    /// <summary>Sparse tensors.</summary>
    SparseTensors = 12,

    /// <summary>One type.</summary>
    TypeProto = 13,

    /// <summary>Types.</summary>
    TypeProtos = 14,
}

/// <summary>A named, immutable attribute of a node. Reading the wrong kind throws <see cref="InvalidOperationException"/>.</summary>
public sealed class NodeAttribute
{
    private readonly object? content;

    /// <summary>Makes an attribute; the static methods are the usual way.</summary>
    internal NodeAttribute(string name, AttributeType type, object? content)
    {
        Name = name;
        Type = type;
        this.content = content;
    }

    /// <summary>Attribute name.</summary>
    public string Name { get; }

    /// <summary>Kind of value.</summary>
    public AttributeType Type { get; }

    /// <summary>In a function body: the function attribute it stands for; otherwise null.</summary>
    public string? ReferencedName { get; init; }

    /// <summary>Documentation kept from the file.</summary>
    public string DocString { get; init; } = "";

    /// <summary>Unknown fields of the file, for the serializer.</summary>
    internal object? Opaque { get; init; }

    /// <summary>True if it has a value of that kind here, not one that a function's caller supplies.</summary>
    public bool Holds(AttributeType type) => Type == type && ReferencedName is null;

    /// <summary>The float.</summary>
    public float Float => Get<float>();

    /// <summary>The integer.</summary>
    public long Int => Get<long>();

    /// <summary>The bytes of the string.</summary>
    public ReadOnlyMemory<byte> Bytes => Get<ReadOnlyMemory<byte>>();

    /// <summary>The string, decoded as UTF-8.</summary>
    public string Text => Encoding.UTF8.GetString(Bytes.Span);

    /// <summary>The tensor.</summary>
    public Tensor Tensor => Get<Tensor>();

    /// <summary>The subgraph.</summary>
    public OnnxGraph Graph => Get<OnnxGraph>();

    /// <summary>The floats.</summary>
    public IReadOnlyList<float> Floats => Get<IReadOnlyList<float>>();

    /// <summary>The integers.</summary>
    public IReadOnlyList<long> Ints => Get<IReadOnlyList<long>>();

    /// <summary>The byte strings.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Strings => Get<IReadOnlyList<ReadOnlyMemory<byte>>>();

    /// <summary>The tensors.</summary>
    public IReadOnlyList<Tensor> Tensors => Get<IReadOnlyList<Tensor>>();

    /// <summary>The subgraphs of a <see cref="AttributeType.Graph"/> or <see cref="AttributeType.Graphs"/> attribute; empty for other kinds.</summary>
    public IReadOnlyList<OnnxGraph> Graphs => content switch
    {
        OnnxGraph one => [one],
        IReadOnlyList<OnnxGraph> many => many,
        _ => [],
    };

    /// <summary>The sparse tensors of either sparse kind.</summary>
    public IReadOnlyList<SparseTensor> SparseTensors => content is SparseTensor one ? [one] : Get<IReadOnlyList<SparseTensor>>();

    /// <summary>The types of either type kind.</summary>
    public IReadOnlyList<ValueType> Types => content is ValueType one ? [one] : Get<IReadOnlyList<ValueType>>();

    /// <summary>Makes a float attribute.</summary>
    public static NodeAttribute Of(string name, float value) => new(name, AttributeType.Float, value);

    /// <summary>Makes an integer attribute.</summary>
    public static NodeAttribute Of(string name, long value) => new(name, AttributeType.Int, value);

    /// <summary>Makes a string attribute, encoded as UTF-8.</summary>
    public static NodeAttribute Of(string name, string value) =>
        new(name, AttributeType.String, (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(value));

    /// <summary>Makes an integer list attribute.</summary>
    public static NodeAttribute Of(string name, params long[] values) => new(name, AttributeType.Ints, (IReadOnlyList<long>)values);

    /// <summary>Makes a float list attribute.</summary>
    public static NodeAttribute Of(string name, params float[] values) => new(name, AttributeType.Floats, (IReadOnlyList<float>)values);

    /// <summary>Makes a string list attribute, encoded as UTF-8.</summary>
    public static NodeAttribute OfStrings(string name, params ReadOnlySpan<string> values)
    {
        var bytes = new ReadOnlyMemory<byte>[values.Length];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = Encoding.UTF8.GetBytes(values[i]);
        return new(name, AttributeType.Strings, (IReadOnlyList<ReadOnlyMemory<byte>>)bytes);
    }

    /// <summary>Makes a tensor attribute.</summary>
    public static NodeAttribute Of(string name, Tensor value) => new(name, AttributeType.Tensor, value);

    /// <summary>Makes a subgraph attribute.</summary>
    public static NodeAttribute Of(string name, OnnxGraph value) => new(name, AttributeType.Graph, value);

    /// <summary>Makes an attribute of a node in a function body that stands for the function's attribute <paramref name="referencedName"/>.</summary>
    public static NodeAttribute Reference(string name, AttributeType type, string referencedName) => new(name, type, null) { ReferencedName = referencedName };

    private T Get<T>() => content is T value
        ? value
        : throw new InvalidOperationException(ReferencedName is null
            ? $"Attribute '{Name}' is {Type}, not {typeof(T).Name}."
            : $"Attribute '{Name}' is supplied by the function's caller as '{ReferencedName}'.");
}
