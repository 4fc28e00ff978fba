using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime.Synthetic;

/// <summary>What is known of one tensor input, taken from the graph once so that the graph may be edited afterwards.</summary>
/// <param name="Name">Input name.</param>
/// <param name="Type">Element type.</param>
/// <param name="Dimensions">Declared dimensions, with sizes the weights ask for filled in; null when not even the rank is known.</param>
/// <param name="IndexBound">Exclusive upper bound of an integer input that indexes tables, or null.</param>
/// <param name="IsSequence">True when the input is a sequence of such tensors.</param>
internal sealed record InputPlan(string Name, DataType Type, IReadOnlyList<Dimension>? Dimensions, long? IndexBound, bool IsSequence)
{
    /// <summary>Largest value of a picture's pixels.</summary>
    public float PixelMaximum { get; init; } = 1f;

    /// <summary>Where symbols occur first in inputs that are no states: there they have the size that they have here, too.</summary>
    public IReadOnlyDictionary<string, (int Axis, int Rank)> SymbolsElsewhere { get; init; } = new Dictionary<string, (int Axis, int Rank)>();

    /// <summary>Plans all inputs of a model.</summary>
    /// <exception cref="NotSupportedException">Nothing can be made up for the type of one; the message says which.</exception>
    public static IReadOnlyList<InputPlan> ForAll(IEnumerable<Value> inputs)
    {
        InputPlan[] plans = [.. inputs.Select(For)];
        var symbols = new Dictionary<string, (int Axis, int Rank)>(StringComparer.Ordinal);
        foreach (var plan in plans.Where(p => p.Dimensions is not null && !SyntheticSignal.IsState(p.Name)))
            for (int axis = 0; axis < plan.Dimensions!.Count; axis++)
                if (plan.Dimensions[axis].Symbol is { } symbol) symbols.TryAdd(symbol, (axis, plan.Dimensions.Count));
        return [.. plans.Select(p => p with { SymbolsElsewhere = symbols })];
    }

    /// <summary>Plans an input.</summary>
    /// <exception cref="NotSupportedException">Nothing can be made up for its type; the message says which.</exception>
    public static InputPlan For(Value input)
    {
        var declared = input.Type is OptionalType optional ? optional.Element : input.Type;
        bool isSequence = declared is SequenceType;
        if (declared is SequenceType sequence) declared = sequence.Element;
        if (declared is not TensorType tensor)
            throw new NotSupportedException($"no values can be made up for input '{input.Name}' of type {Data.ModelPort.Describe(input.Type)}");
        if (tensor.ElementType is DataType.Undefined or > DataType.BFloat16 or DataType.Complex64 or DataType.Complex128)
            throw new NotSupportedException($"no values can be made up for input '{input.Name}' of type {tensor.ElementType}");
        return new(input.Name, tensor.ElementType, DimensionsOf(input, tensor.Shape), tensor.ElementType is DataType.Int64 or DataType.Int32 ? IndexBounds.Of(input) : null, isSequence) { PixelMaximum = PixelRange.MaximumOf(input) };
    }

    /// <summary>The shape under <paramref name="attempt"/>.</summary>
    public long[] ShapeFor(SyntheticAttempt attempt)
    {
        if (Dimensions is null) return [1, attempt.Length];
        int rank = Dimensions.Count;
        if (SyntheticSignal.IsState(Name)) return [.. Dimensions.Select(d => StateSize(d, attempt))];
        return [.. Dimensions.Select((d, axis) => d.Size is >= 0 and var size ? size : OpenDimension.SizeOf(d.Symbol, axis, rank, rank >= 4, attempt))];
    }

    /// <summary>One step, one sequence: a state that is carried from call to call has no other open sizes but those of other inputs.</summary>
    private long StateSize(Dimension dimension, SyntheticAttempt attempt) =>
        dimension.Size is >= 0 and var known ? known
        : dimension.Symbol is { } symbol && SymbolsElsewhere.TryGetValue(symbol, out var place) ? OpenDimension.SizeOf(symbol, place.Axis, place.Rank, place.Rank >= 4, attempt)
        : 1;

    /// <summary>True when a picture of values in 0…1 would be made up.</summary>
    public bool IsPicture(SyntheticAttempt attempt) => PixelMaximum == 1f && SyntheticSignal.IsPicture(ShapeFor(attempt));

    private static Dimension[]? DimensionsOf(Value input, Shape? shape)
    {
        if (shape is null && RequiredSizes.RankOf(input) is { } rank) shape = new Shape(Enumerable.Repeat(Dimension.Unknown, rank));
        return shape is null ? null : [.. shape.Dimensions.Select((d, axis) => d.Size is >= 0 ? d : RequiredSizes.Of(input, axis, shape.Rank) is { } size ? size : d)];
    }
}
