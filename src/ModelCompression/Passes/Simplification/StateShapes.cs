using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>
/// States the shapes of what is added in front of layer normalizations, in the symbols of the model's inputs. ONNX Runtime computes a sum and its normalization in one go
/// (<c>SkipLayerNormalization</c>), but only where it sees that both summands have the same three sizes, and its own inference loses symbols on the way.
/// </summary>
/// <remarks>
/// Sizes that are numbers it finds itself, so nothing is stated in models of fixed sizes. A normalization may be one node or still the subtraction and mean that it begins with; a sum
/// that others take, too, as where the normalization comes before a block and not behind it, is not joined. Outputs are the same up to rounding.
/// </remarks>
public sealed class StateShapes : ModelPass
{
    /// <summary>Dimensions of the sums that ONNX Runtime joins: batch, sequence, channels.</summary>
    private const int Rank = 3;

    /// <summary>Most bytes for it, as a share of the model that was read: what the default preset leaves of its budget.</summary>
    private const double MaxStatedRatio = 0.0005;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        if (model.Graph.Inputs.All(i => i.TensorType?.Shape?.IsStatic == true)) return;
        Node[] sums = [.. model.Graph.Nodes.Select(SumBefore).OfType<Node>().Distinct()];
        if (sums.Length == 0) return;
        var types = ShapeInference.Run(model);
        Value[] summands = [.. sums.Where(s => AreAlike(types.ShapeOf(s.Inputs[0]!), types.ShapeOf(s.Inputs[1]!))).SelectMany(s => s.Inputs.OfType<Value>()).Where(v => v.Producer is not null && !v.IsGraphOutput).Distinct()];
        if (model.StoredByteLength > 0 && summands.Sum(v => v.Name.Length + TextOf(types.ShapeOf(v)!)) > model.StoredByteLength * MaxStatedRatio) return;
        int stated = summands.Count(Declarations.State);
        if (stated > 0) log.Applied(Name, "model", FormattableString.Invariant($"{stated} shapes in front of layer normalizations are stated, so that ONNX Runtime can join sum and normalization"));
    }

    private static bool AreAlike(Shape? left, Shape? right) =>
        left is { Rank: Rank, IsStatic: false } && left.Equals(right) && !left.Dimensions.Contains(Dimension.Unknown);

    /// <summary>About the bytes of an entry besides its name: two for each message, its type and each dimension.</summary>
    private static int TextOf(Shape shape) => 12 + shape.Dimensions.Sum(d => 4 + (d.Symbol?.Length ?? 2));

    /// <summary>The sum of two activations that a layer normalization takes.</summary>
    private static Node? SumBefore(Node node) =>
        node.Inputs.Count > 0 && node.Inputs[0] is { } input && StartsNormalization(node, input)
        && input.Producer is { OpType: "Add", IsOnnxDomain: true, Inputs: [{ } left, { } right] } sum && !left.TryGetConstant(out _) && !right.TryGetConstant(out _) ? sum : null;

    /// <summary>True for a normalization, and for the subtraction of a mean that one is made of, when nothing else takes the input.</summary>
    private static bool StartsNormalization(Node node, Value input) => !input.IsGraphOutput && node.OpType switch
    {
        "LayerNormalization" or "SimplifiedLayerNormalization" => input.Uses.Count == 1,
        "Sub" => input.Uses.Count == 2 && node.Inputs[1]?.Producer is { OpType: "ReduceMean" } mean && mean.Inputs[0] == input,
        _ => false,
    };
}
