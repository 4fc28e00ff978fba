using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>
/// States the shapes of what residual connections add in front of layer normalizations, in the symbols of the model's inputs. ONNX Runtime computes a sum and its normalization in one
/// go (<c>SkipLayerNormalization</c>), but only where it sees that both summands have the same three sizes, and its own inference loses symbols on the way.
/// </summary>
/// <remarks>
/// <para>Sizes that are numbers it finds itself, so nothing is stated in models of fixed sizes. It joins whatever looks like a sum and a normalization; here shapes are stated only where that is the same:
/// over the last axis, with a gain and a shift per channel, and where one summand is made from the other. Two inputs that share a symbol may still be fed with different sizes, and be broadcast.</para>
/// <para>Outputs are the same up to rounding, which is coarser in rows whose mean is far larger than their deviation: <c>Preset=Lossless</c> leaves it out.</para>
/// </remarks>
public sealed class StateShapes : ModelPass
{
    /// <summary>Most bytes for it, as a share of the model that was read: what the default preset leaves of its budget.</summary>
    private const double MaxStatedRatio = 0.0005;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        if (settings.Model.Preset == Preset.Lossless || model.Graph.Inputs.All(i => i.TensorType?.Shape?.IsStatic == true)) return;
        var normalizations = model.Graph.Nodes.Select(Normalization.StartingAt).OfType<Normalization>().ToArray();
        if (normalizations.Length == 0) return;
        var types = ShapeInference.Run(model);
        var residuals = new ResidualSums(model.Graph);
        Value[] summands = [.. normalizations
            .Where(n => n.Matches(types.ShapeOf(n.Sum.Inputs[0]!), types.ShapeOf(n.Sum.Inputs[1]!)) && residuals.Has(n.Sum))
            .SelectMany(n => n.Sum.Inputs.OfType<Value>()).Where(v => v.Producer is not null && !v.IsGraphOutput).Distinct()];
        if (model.StoredByteLength > 0 && summands.Sum(v => v.Name.Length + TextOf(types.ShapeOf(v)!)) > model.StoredByteLength * MaxStatedRatio) return;
        int stated = summands.Count(Declarations.State);
        if (stated > 0) log.Applied(Name, "model", FormattableString.Invariant($"{stated} shapes in front of layer normalizations are stated, so that ONNX Runtime can join sum and normalization"));
    }

    /// <summary>About the bytes of an entry besides its name: two for each message, its type and each dimension.</summary>
    private static int TextOf(Shape shape) => 12 + shape.Dimensions.Sum(d => 4 + (d.Symbol?.Length ?? 2));
}
