using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Float16;

/// <summary>
/// Treats constants that are stored as binary16 or bfloat16 and widened by a Cast as the binary32 weights that they are to their consumers: without the Cast they can be folded, pruned and quantized like others.
/// <see cref="NarrowStoredWeights"/> puts what is left of them back.
/// </summary>
/// <remarks>
/// Only where every use is a Cast to binary32 whose result operators compute with, or transpose first. What unpacks other constants (scales, palettes), parameters of integer operators, and initializers that callers may
/// override stay as they are, and so does everything in a model that has quantized weights: there somebody chose which weights get sixteen bits. Doubles need no such pass: computing their Cast ahead saves bytes, so constant folding does.
/// </remarks>
public sealed class WidenStoredWeights : ModelPass
{
    private readonly HashSet<Value> widened = new(ReferenceEqualityComparer.Instance);

    /// <summary>True if something was widened.</summary>
    internal bool Any => widened.Count > 0;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        foreach (var (value, tensor) in Find(model).ToArray())
        {
            ConstantStorage.Replace(value, new Tensor(DataType.Float, tensor.Dims, new WidenedTensorData(tensor)));
            foreach (var use in value.Uses.ToArray())
            {
                use.Node.Outputs[0]!.ReplaceAllUsesWith(value);
                use.Node.Graph!.RemoveNode(use.Node);
            }

            widened.Add(value);
            log.Applied(Name, value.Name, $"stored as {tensor.DataType}, treated as the binary32 weight that its Cast yields");
        }
    }

    /// <summary>What the pass would widen, with what is stored.</summary>
    internal static IEnumerable<(Value Value, Tensor Stored)> Find(Model model)
    {
        ConstantExpressions? constants = null;
        foreach (var value in model.AllGraphs().SelectMany(WeightCatalog.ConstantsOf))
        {
            if (!value.TryGetConstant(out var tensor) || tensor.DataType is not (DataType.Float16 or DataType.BFloat16) || tensor.ElementCount > Array.MaxLength) continue;
            if (value.IsUnused || value.IsGraphOutput || value.IsReferencedByName || GraphScope.IsOverridable(model, value)) continue;
            if (constants is null)
            {
                constants = ConstantExpressions.Of(model);
                if (AlreadyQuantized.Of(model, constants).Any) yield break;
            }

            if (value.Uses.All(u => WidensForOperators(u.Node, constants))) yield return (value, tensor);
        }
    }

    /// <summary>
    /// What a widened constant is to be stored as: if it is as it was, bit for bit what was stored; else rounded to binary16. Null for other constants, and where rounding loses more than
    /// <see cref="ConvertToFloat16"/> accepts.
    /// </summary>
    internal Tensor? Narrowed(Value value, Tensor tensor)
    {
        if (tensor.Data is WidenedTensorData) return WidenedTensorData.StoredAs(tensor);
        if (!widened.Contains(value) || tensor.DataType != DataType.Float) return null;
        return Float16Rounding.TryRound(tensor) is { Overflows: 0 } rounded && !(rounded.Noise.SqnrDb < ConvertToFloat16.MinSqnrDb) ? rounded.Tensor : null;
    }

    private static bool WidensForOperators(Node node, ConstantExpressions constants) =>
        node.Is("Cast") && !node.IsParameterized && node.GetInt("to", 0) == (long)DataType.Float
        && node.Output() is { IsGraphOutput: false, IsReferencedByName: false, IsUnused: false } output
        && output.Uses.All(u => (!constants.IsConstant(u.Node) || u.Node.Is("Transpose")) && !QuantizedOperators.IsQuantized(u.Node));
}
