using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Data;

/// <summary>An input or output of a model.</summary>
/// <param name="Name">Name.</param>
/// <param name="Type">Declared type, or null when the model does not state one.</param>
public sealed record ModelPort(string Name, ValueType? Type)
{
    /// <summary>The type as a tensor type (an optional tensor counts), or null.</summary>
    public TensorType? TensorType => Type as TensorType ?? (Type as OptionalType)?.Element as TensorType;

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({Describe(Type)})";

    /// <summary>A short form for messages: <c>Float[1,3,H,W]</c>.</summary>
    public static string Describe(ValueType? type) => type switch
    {
        TensorType tensor => $"{tensor.ElementType}{tensor.Shape?.ToString() ?? "[any shape]"}",
        SequenceType sequence => $"sequence of {Describe(sequence.Element)}",
        OptionalType optional => $"optional {Describe(optional.Element)}",
        MapType map => $"map of {map.KeyType} to {Describe(map.Value)}",
        SparseTensorType sparse => $"sparse {sparse.ElementType}",
        null => "unknown type",
        _ => type.GetType().Name,
    };
}

/// <summary>What a model asks for and gives back.</summary>
/// <param name="Inputs">Inputs that must be fed, in order; inputs with a stored constant are not among them.</param>
/// <param name="Outputs">Outputs in order.</param>
public sealed record ModelInterface(IReadOnlyList<ModelPort> Inputs, IReadOnlyList<ModelPort> Outputs)
{
    /// <summary>Reads the interface off a model.</summary>
    public static ModelInterface Of(Model model) => new(
        [.. model.Graph.Inputs.Where(i => i.Initializer is null && i.SparseInitializer is null).Select(i => new ModelPort(i.Name, i.Type))],
        [.. model.Graph.Outputs.Select(o => new ModelPort(o.Name, o.Type))]);
}
