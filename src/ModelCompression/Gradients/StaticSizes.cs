using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Gradients;

/// <summary>Sizes of all values for inputs of given sizes: by inference, and where that ends by a run of the model.</summary>
internal sealed class StaticSizes
{
    private readonly Dictionary<Value, Value> sources = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, long[]> added = new(ReferenceEqualityComparer.Instance);
    private readonly Model source;
    private readonly GradientRequest request;
    private readonly ShapeInferenceResult inferred;
    private IReadOnlyDictionary<Value, ValueType>? observed;

    public StaticSizes(Model source, IReadOnlyDictionary<Value, Value> copies, GradientRequest request)
    {
        this.source = source;
        this.request = request;
        inferred = ShapeInference.Evaluate(source, request.InputShapes);
        foreach (var value in source.Graph.Inputs.Concat(source.Graph.Initializers).Concat(source.Graph.Nodes.SelectMany(n => n.Outputs).OfType<Value>())) sources[copies[value]] = value;
    }

    /// <summary>States the sizes of a value that was added to the copy.</summary>
    public void Set(Value value, long[] dims) => added[value] = dims;

    /// <summary>Sizes of a value of the copy.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB4061: not known.</exception>
    public long[] Of(Value value)
    {
        if (added.TryGetValue(value, out long[]? dims)) return [.. dims];
        if (value.Initializer is { } constant) return constant.Dims.ToArray();
        var original = sources[value];
        if (Sizes(inferred.ShapeOf(original)) is { } sizes) return sizes;
        observed ??= request.Observe?.Invoke(source, [.. inferred.Values.Where(v => v.Graph == source.Graph && v.Producer is not null && Sizes(inferred.ShapeOf(v)) is null)]) ?? new Dictionary<Value, ValueType>();
        return Sizes((observed.GetValueOrDefault(original) as TensorType)?.Shape) ?? throw GradientError.UnknownShape(value, inferred.WhyUnresolved(original) ?? "it depends on the data");
    }

    private static long[]? Sizes(Shape? shape) => shape is { IsStatic: true } ? [.. shape.Dimensions.Select(d => d.Size!.Value)] : null;
}
