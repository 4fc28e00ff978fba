using ModelCompression.Data;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime.Fidelity;

/// <summary>Spreads outputs into named tensors, so that sequences and maps are compared like the rest.</summary>
internal static class FlatOutputs
{
    /// <summary>The tensors of the outputs in order; a value nothing is known about has a null tensor.</summary>
    public static List<(string Name, Tensor? Tensor)> Of(IReadOnlyList<NamedValue> outputs)
    {
        var flat = new List<(string, Tensor?)>();
        foreach (var output in outputs) Add(flat, output.Name, output.Value);
        return flat;
    }

    private static void Add(List<(string, Tensor?)> flat, string name, ModelValue value)
    {
        switch (value)
        {
            case TensorValue tensor:
                flat.Add((name, tensor.Tensor));
                break;
            case SequenceValue sequence:
                for (int i = 0; i < sequence.Elements.Count; i++) Add(flat, FormattableString.Invariant($"{name}[{i}]"), sequence.Elements[i]);
                break;
            case MapValue map:
                flat.Add(($"{name}.keys", map.Keys));
                flat.Add(($"{name}.values", map.Values));
                break;
            default:
                flat.Add((name, null));
                break;
        }
    }
}
