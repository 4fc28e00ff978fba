using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Analysis;

/// <summary>A value whose declared type and inferred type cannot both be right.</summary>
/// <param name="Value">The value.</param>
/// <param name="Declared">What the file says.</param>
/// <param name="Inferred">What the operators' rules give; it is the one that is kept.</param>
public sealed record TypeContradiction(Value Value, ValueType Declared, ValueType Inferred);

/// <summary>A value whose element type or shape is not fully known, and why.</summary>
/// <param name="Value">The value.</param>
/// <param name="Reason">Why not.</param>
public sealed record UnresolvedValue(Value Value, string Reason);

/// <summary>What inference found.</summary>
public sealed class ShapeInferenceResult
{
    private readonly Func<Value, ValueType?> types;
    private readonly Dictionary<Value, string> reasons;

    internal ShapeInferenceResult(Func<Value, ValueType?> types, IReadOnlyList<Value> values, IReadOnlyList<UnresolvedValue> unresolved, IReadOnlyList<TypeContradiction> contradictions)
    {
        this.types = types;
        Values = values;
        Unresolved = unresolved;
        Contradictions = contradictions;
        reasons = unresolved.ToDictionary(u => u.Value, u => u.Reason);
    }

    /// <summary>All values of the model in graph order: inputs, initializers, node outputs; subgraphs and functions included.</summary>
    public IReadOnlyList<Value> Values { get; }

    /// <summary>Values without a full type, in graph order.</summary>
    public IReadOnlyList<UnresolvedValue> Unresolved { get; }

    /// <summary>Declarations that the rules contradict, in graph order.</summary>
    public IReadOnlyList<TypeContradiction> Contradictions { get; }

    /// <summary>The type found, or null. Unlike <see cref="Value.Type"/> it also refines what graph inputs and outputs declare.</summary>
    public ValueType? TypeOf(Value value) => types(value) ?? value.Type;

    /// <summary>Shape of a tensor value, or null when not even its rank is known.</summary>
    public Shape? ShapeOf(Value value) => (TypeOf(value) as TensorType)?.Shape;

    /// <summary>Why the type of a value is not fully known, or null when it is.</summary>
    public string? WhyUnresolved(Value value) => reasons.GetValueOrDefault(value);
}

/// <summary>
/// Finds element types and shapes of all values by one rule per operator, without running anything. Dimensions that depend on symbols become
/// formulas of them (<c>floor((W+1)/2)</c>); those that depend on data become symbols of their own, named <c>value.axis</c>.
/// </summary>
/// <remarks>
/// Declared types are starting facts. An operator without a rule, or a shape computed from run-time data, leaves its outputs unresolved with a reason;
/// inference never fails. Small integer tensors are followed through shape computations (Shape, Gather, Concat, Reshape…).
/// </remarks>
public static class ShapeInference
{
    /// <summary>
    /// Infers all types and stores them in <see cref="Value.Type"/>, except that the declared types of the main graph's inputs and outputs, the model's
    /// interface, stay as they are (see <see cref="ShapeInferenceResult.TypeOf"/>). Running it again gives the same result.
    /// </summary>
    public static ShapeInferenceResult Run(Model model) => new ModelInference(model).Run();

    /// <summary>Infers the types that hold for inputs of given shapes, without storing them: sizes are numbers where <see cref="Run"/> finds formulas.</summary>
    /// <param name="model">The model.</param>
    /// <param name="inputShapes">Shapes by input name. A symbol of the interface has the size it gets here in the other inputs, too.</param>
    public static ShapeInferenceResult Evaluate(Model model, IReadOnlyDictionary<string, Shape> inputShapes) => new ModelInference(model, inputShapes).Evaluate();
}
