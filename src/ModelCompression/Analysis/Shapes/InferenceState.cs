using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Analysis.Shapes;

/// <summary>Everything inference has learned so far about the values of one model.</summary>
internal sealed class InferenceState
{
    private readonly Dictionary<Value, ValueType> types = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, Content?> contents = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, string> reasons = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, TypeContradiction> contradictions = new(ReferenceEqualityComparer.Instance);

    private readonly Dictionary<Value, ValueType?> perCall = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<(Value, int, string), Dimension> fresh = [];

    public SymbolTable Symbols { get; } = new();

    /// <summary>Put before the names of fresh symbols inside function calls, so that two calls do not share them.</summary>
    public string FreshPrefix { get; set; } = "";

    /// <summary>Declared types count only outside functions, whose values have a type per call.</summary>
    public Dictionary<Value, ValueType> Declared { get; } = new(ReferenceEqualityComparer.Instance);

    public IEnumerable<TypeContradiction> Contradictions => contradictions.Values;

    public ValueType? TypeOf(Value value) => types.GetValueOrDefault(value);

    public string? ReasonOf(Value value) => reasons.GetValueOrDefault(value);

    public void SetReason(Value value, string reason) => reasons.TryAdd(value, reason);

    public Content? ContentOf(Value value)
    {
        if (contents.TryGetValue(value, out var content)) return content;
        if (value.TryGetConstant(out var constant)) contents[value] = content = Content.Read(constant);
        return content;
    }

    public void SetContent(Value value, Content content) => contents[value] = content;

    /// <summary>The symbol of one dimension of one value (in one function call); asked again, the same.</summary>
    public Dimension Fresh(Value value, int axis)
    {
        var key = (value, axis, FreshPrefix);
        if (!fresh.TryGetValue(key, out var symbol))
            fresh[key] = symbol = Symbols.Fresh(FormattableString.Invariant($"{FreshPrefix}{value.Name}.{axis}"));
        return symbol;
    }

    /// <summary>States what a rule found, joined with what the file declares.</summary>
    public void SetInferred(Value value, ValueType inferred)
    {
        var type = inferred;
        if (Declared.TryGetValue(value, out var declared))
        {
            type = TypeLattice.Refine(inferred, declared, out bool contradicts);
            if (contradicts) contradictions[value] = new(value, declared, inferred);
        }

        types[value] = Complete(value, type);
        reasons.Remove(value);
    }

    /// <summary>States the type of a graph input; unknown dimensions become symbols of their own.</summary>
    public void SetInput(Value value, ValueType? type) => SetType(value, type is null ? null : Complete(value, type));

    /// <summary>States a type as it is: for constants and parameters of functions.</summary>
    public void SetType(Value value, ValueType? type)
    {
        if (type is null) types.Remove(value);
        else types[value] = type;
    }

    /// <summary>Records the types a function body had in one call; what calls disagree on is unknown in the end.</summary>
    public void KeepCall(OnnxGraph body)
    {
        foreach (var graph in body.SelfAndSubgraphs())
            foreach (var value in graph.Inputs.Concat(graph.Nodes.SelectMany(n => n.Outputs).OfType<Value>()))
                perCall[value] = perCall.TryGetValue(value, out var before) ? TypeLattice.Merge(before, TypeOf(value), _ => default) : TypeOf(value);
    }

    /// <summary>Ends the walk: values of functions get the type on which all calls agree.</summary>
    public void Finish()
    {
        foreach (var (value, type) in perCall) SetType(value, type);
    }

    /// <summary>Forgets what was learned about a value, before its graph is inferred anew.</summary>
    public void Forget(Value value)
    {
        types.Remove(value);
        contents.Remove(value);
    }

    private ValueType Complete(Value value, ValueType type) =>
        type is TensorType { Shape: { } shape } tensor && shape.Dimensions.Any(d => !d.IsKnown && d.Symbol is null)
            ? tensor with { Shape = new Shape([.. shape.Dimensions.Select((d, axis) => d.IsKnown || d.Symbol is not null ? d : Fresh(value, axis))]) }
            : type;
}
