using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Float16;

/// <summary>Stores what is left of <see cref="WidenStoredWeights"/> in two bytes per element again.</summary>
/// <remarks>
/// A constant that is as it was gets back what was stored, bit for bit; so does one that was only rearranged, where binary16 holds it exactly. One that was changed, as by folding or a refit, is rounded to binary16, unless
/// that loses more than <see cref="ConvertToFloat16"/> accepts: then it stays binary32.
/// </remarks>
/// <param name="widened">What was widened.</param>
public sealed class NarrowStoredWeights(WidenStoredWeights widened) : ModelPass
{
    /// <summary>Other constants smaller than this are not worth a Cast.</summary>
    private const long LeastByteLength = 1024;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        if (!widened.Any) return;
        int number = 0;
        foreach (var graph in model.AllGraphs().ToArray())
        {
            foreach (var value in WeightCatalog.ConstantsOf(graph).ToArray())
            {
                if (!value.TryGetConstant(out var tensor) || tensor.DataType != DataType.Float || value.IsUnused || value.IsGraphOutput || value.IsReferencedByName || GraphScope.IsOverridable(model, value)) continue;
                if ((widened.Narrowed(value, tensor) ?? Rearranged(tensor)) is not { } stored) continue;
                Float16Storage.Write(model, value, stored, [.. value.Uses], FormattableString.Invariant($"w{number++}"));
                log.Applied(Name, value.Name, $"stored as {stored.DataType} again");
            }
        }
    }

    /// <summary>Folding makes new constants of transposed ones.</summary>
    private static Tensor? Rearranged(Tensor tensor) => tensor.ByteLength >= LeastByteLength ? Float16Rounding.TryNarrowExactly(tensor) : null;
}
