using System.Diagnostics.CodeAnalysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Analysis.Shapes;

/// <summary>A rule cannot say more; the reason reaches the report.</summary>
internal sealed class InferenceRefusedException(string reason) : Exception(reason);

/// <summary>What a rule sees of one node, and where it puts what it finds.</summary>
internal sealed class NodeInference(GraphInference graphs, Node node, OpsetImports opsets, IReadOnlyDictionary<string, NodeAttribute>? bindings)
{
    private readonly InferenceState state = graphs.State;

    public Node Node => node;

    /// <summary>Version of the node's domain.</summary>
    public long Opset { get; } = opsets[node.Domain];

    public SymbolTable Symbols => state.Symbols;

    public InferenceState State => state;

    public NodeAttributes Attributes => new(node, bindings);

    /// <summary>Walks a body of this node; its inputs have been given their types.</summary>
    public void InferBody(OnnxGraph body) => graphs.Infer(body, opsets, bindings);

    /// <summary>In a function body: the caller's attributes; otherwise null.</summary>
    public IReadOnlyDictionary<string, NodeAttribute>? Bindings => bindings;

    public bool HasInput(int index) => node.Input(index) is not null;

    public ValueType? TypeOf(int input) => node.Input(input) is { } value ? state.TypeOf(value) : null;

    /// <summary>Element type of a tensor input; <see cref="DataType.Undefined"/> when absent or unknown.</summary>
    public DataType ElementOf(int input) => (TypeOf(input) as TensorType)?.ElementType ?? DataType.Undefined;

    /// <summary>Shape of a tensor input, or null.</summary>
    public Shape? ShapeOf(int input) => (TypeOf(input) as TensorType)?.Shape;

    /// <summary>Shape of a tensor input of at least <paramref name="minRank"/> dimensions; refuses when it is not known.</summary>
    public Shape RequireShape(int input, int minRank = 0)
    {
        if (node.Input(input) is not { } value) throw Refuse($"input {input} is missing");
        if (ShapeOf(input) is not { } shape) throw Refuse($"the rank of '{value.Name}' is not known");
        return shape.Rank >= minRank ? shape : throw Refuse($"'{value.Name}' has rank {shape.Rank}, at least {minRank} is needed");
    }

    /// <summary>Partly known content of an input, or null.</summary>
    public Content? ContentOf(int input) => node.Input(input) is { } value ? state.ContentOf(value) : null;

    /// <summary>Content of an input; refuses when nothing is known about it.</summary>
    public Content RequireContent(int input) =>
        ContentOf(input) ?? throw Refuse($"the content of '{node.Input(input)?.Name}' is computed at run time");

    /// <summary>A list given as an attribute in old opsets and as an input in new ones: known numbers, or null when absent.</summary>
    public long[]? IntsOf(string attribute, int input)
    {
        if (Attributes.Ints(attribute) is { } ints) return [.. ints];
        if (!HasInput(input)) return null;
        return RequireContent(input).KnownIntegers ?? throw Refuse($"the content of '{node.Input(input)!.Name}' is computed at run time");
    }

    /// <summary>An axis attribute brought into [0, rank).</summary>
    public int Axis(string attribute, long defaultValue, int rank) => Normalize(Attributes.Int(attribute, defaultValue), rank);

    public int Normalize(long axis, int rank)
    {
        long positive = axis < 0 ? axis + rank : axis;
        return positive >= 0 && positive < rank ? (int)positive : throw Refuse($"axis {axis} is outside rank {rank}");
    }

    /// <summary>States the type of an output; an omitted output is ignored.</summary>
    public void Set(int output, ValueType? type)
    {
        if (type is not null && node.Output(output) is { } value) state.SetInferred(value, type);
    }

    public void Set(int output, DataType element, Shape? shape) => Set(output, new TensorType(element, shape));

    /// <summary>States the type of an output; unknown dimensions become symbols of their own.</summary>
    public void Set(int output, DataType element, IEnumerable<Dimension> dimensions) => Set(output, element, new Shape(dimensions));

    /// <summary>States the partly known content of an output.</summary>
    public void SetContent(int output, Content? content)
    {
        if (content is not null && node.Output(output) is { } value && content.Elements.Length <= Content.MaxElementCount) state.SetContent(value, content);
    }

    /// <summary>The symbol of a dimension that no formula gives: named after the value and axis.</summary>
    public Dimension Fresh(int output, int axis) =>
        node.Output(output) is { } value ? state.Fresh(value, axis) : default;

    [DoesNotReturn]
    public InferenceRefusedException Refuse(string reason) => throw new InferenceRefusedException($"{node.OpType}: {reason}");
}
