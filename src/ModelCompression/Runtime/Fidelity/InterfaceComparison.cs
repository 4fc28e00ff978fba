using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Runtime.Fidelity;

/// <summary>Checks that a compressed model can take the original's place: same inputs and outputs by name, order and type.</summary>
public static class InterfaceComparison
{
    /// <summary>The first difference as an MCB4044 error, or null. Sizes count only where both models state them; symbol names do not count.</summary>
    public static Diagnostic? FindDifference(ModelInterface original, ModelInterface compressed) =>
        FindDifference("input", original.Inputs, compressed.Inputs) ?? FindDifference("output", original.Outputs, compressed.Outputs);

    private static Diagnostic? FindDifference(string kind, IReadOnlyList<ModelPort> original, IReadOnlyList<ModelPort> compressed)
    {
        for (int i = 0; i < Math.Max(original.Count, compressed.Count); i++)
        {
            var expected = i < original.Count ? original[i] : null;
            var found = i < compressed.Count ? compressed[i] : null;
            if (expected is null || found is null || expected.Name != found.Name || !Agree(expected.Type, found.Type))
            {
                return Diagnostic.Error(
                    "MCB4044",
                    $"The compressed model's {kind} {i} differs from the original's: expected {Describe(expected)}, found {Describe(found)}. No file was replaced; report this as a defect.");
            }
        }

        return null;
    }

    private static string Describe(ModelPort? port) => port?.ToString() ?? "none";

    private static bool Agree(ValueType? a, ValueType? b) => (a, b) switch
    {
        (TensorType x, TensorType y) => x.ElementType == y.ElementType && Agree(x.Shape, y.Shape),
        (SequenceType x, SequenceType y) => Agree(x.Element, y.Element),
        (OptionalType x, OptionalType y) => Agree(x.Element, y.Element),
        (MapType x, MapType y) => x.KeyType == y.KeyType && Agree(x.Value, y.Value),
        _ => a is null || b is null || a.GetType() == b.GetType(),
    };

    private static bool Agree(Shape? a, Shape? b)
    {
        // ONNX Runtime shows an unknown rank as no dimensions, so a shape without any is compatible with all.
        if (a is null || b is null || a.Rank == 0 || b.Rank == 0) return true;
        return a.Rank == b.Rank && a.Dimensions.Zip(b.Dimensions).All(d => d.First.Size is null || d.Second.Size is null || d.First.Size == d.Second.Size);
    }
}
