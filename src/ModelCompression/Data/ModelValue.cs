using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Data;

/// <summary>A value fed to a model or returned by it, independent of the runtime that computes it.</summary>
public abstract record ModelValue;

/// <summary>A dense tensor.</summary>
/// <param name="Tensor">Type, shape and elements.</param>
public sealed record TensorValue(Tensor Tensor) : ModelValue;

/// <summary>A sequence.</summary>
/// <param name="Elements">Elements in order; may be empty.</param>
public sealed record SequenceValue(IReadOnlyList<ModelValue> Elements) : ModelValue;

/// <summary>A map, as two tensors of the same length.</summary>
/// <param name="Keys">Keys in ascending order.</param>
/// <param name="Values">Values, one per key.</param>
public sealed record MapValue(Tensor Keys, Tensor Values) : ModelValue;

/// <summary>An absent optional, or a value of a type that cannot be looked into.</summary>
/// <param name="Description">What it is.</param>
public sealed record OpaqueValue(string Description) : ModelValue;

/// <summary>A value under the name of a model input or output.</summary>
/// <param name="Name">Name of the input or output.</param>
/// <param name="Value">The value.</param>
public sealed record NamedValue(string Name, ModelValue Value);

/// <summary>What one run of a model is fed, and what is known about the right answer.</summary>
/// <param name="Inputs">One value per model input.</param>
public sealed record Sample(IReadOnlyList<NamedValue> Inputs)
{
    /// <summary>Class indices, one per row of the batch axis; empty without labels. Rows beyond the list are padding.</summary>
    public IReadOnlyList<long> Labels { get; init; } = [];

    /// <summary>Expected outputs; empty when none are given.</summary>
    public IReadOnlyList<NamedValue> ExpectedOutputs { get; init; } = [];

    /// <summary>Rows of the batch axis that are data; those beyond fill up a fixed batch. Null when every row counts.</summary>
    public int? RowCount { get; init; }

    /// <summary>The first binary32 input with NaN or an infinity; null without one.</summary>
    public string? NotFiniteInput { get; init; }
}
