using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients;

/// <summary>Gradients of factors on the positions of a weight's axis, Σ w·∂w over all other axes: what becomes of the loss when these positions fade.</summary>
internal sealed class GateSums
{
    private readonly Dictionary<(Value Weight, int Axis), Value?> sums = [];
    private readonly HashSet<Value> several = new(ReferenceEqualityComparer.Instance);
    private readonly GradientEmitter emit;

    /// <summary>Notes what is asked for.</summary>
    /// <param name="emit">Adds nodes.</param>
    /// <param name="weights">The wanted weights.</param>
    /// <param name="axes">Per weight its axis, or null where its gradient itself is wanted; null for none.</param>
    public GateSums(GradientEmitter emit, IReadOnlyList<Value> weights, IReadOnlyList<int?>? axes)
    {
        this.emit = emit;
        for (int i = 0; axes is not null && i < weights.Count; i++)
            if (axes[i] is { } axis) sums.TryAdd((weights[i], axis), null);
        foreach (var group in weights.Select((w, i) => (Weight: w, Axis: axes?[i])).Distinct().GroupBy(p => p.Weight))
            if (group.Count() > 1) several.Add(group.Key);
    }

    /// <summary>True if nothing but the factors on this axis is asked for.</summary>
    public bool IsOnly(Value weight, int axis) => sums.ContainsKey((weight, axis)) && !several.Contains(weight);

    /// <summary>Adds the share of one use of the weight, a vector.</summary>
    public void Add(Value weight, int axis, Value gates) => sums[(weight, axis)] = sums[(weight, axis)] is { } sum ? emit.Add(sum, gates) : gates;

    /// <summary>The sum of all uses, or null where the loss does not depend on the weight.</summary>
    /// <param name="weight">The weight.</param>
    /// <param name="axis">The axis of the factors.</param>
    /// <param name="dims">The weight's sizes.</param>
    /// <param name="gradient">The gradient that uses without a rule for factors have given, or null.</param>
    public Value? Result(Value weight, int axis, long[] dims, Value? gradient)
    {
        var given = sums[(weight, axis)];
        if (gradient is null) return given;
        int[] others = [.. Enumerable.Range(0, dims.Length).Where(a => a != axis)];
        var rest = emit.Reshape(emit.ReduceSum(emit.Mul(weight, gradient), others), dims[axis]);
        return given is null ? rest : emit.Add(given, rest);
    }
}
