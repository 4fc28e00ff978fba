using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Training;

/// <summary>A constant that fine-tuning may change.</summary>
/// <param name="Value">The constant, of the main graph.</param>
/// <param name="Node">Its first consumer.</param>
/// <param name="KeepsZeros">True for weights, whose zeros were made by pruning and stay; false for biases and norms.</param>
internal sealed record TrainableWeight(Value Value, Node Node, bool KeepsZeros);

/// <summary>Decides what fine-tuning changes: weights, biases, and scales and shifts of norms, of any floating point type, in the main graph and in scope.</summary>
internal static class TrainableWeights
{
    /// <summary>The constants in graph order.</summary>
    public static IReadOnlyList<TrainableWeight> Of(Model model, CompressionSettings settings)
    {
        var catalog = WeightCatalog.Of(model);
        var weights = catalog.Weights.Where(s => IsOpen(model, settings, s.Value, s.Tensor)).Select(s => new TrainableWeight(s.Value, s.Node, true));
        var others = catalog.Others.Where(o => o.Value.Uses.Count > 0 && o.Value.Uses.All(u => IsParameter(u, o.Tensor)) && !o.Value.IsGraphOutput && !o.Value.IsReferencedByName && IsOpen(model, settings, o.Value, o.Tensor))
            .Select(o => new TrainableWeight(o.Value, o.Value.Uses[0].Node, false));
        return [.. weights, .. others];
    }

    private static bool IsOpen(Model model, CompressionSettings settings, Value value, Tensor tensor) =>
        value.Graph == model.Graph && tensor.DataType.IsFloatingPoint() && tensor.ElementCount > 0 && value.Uses.All(u => u.Node.Graph == model.Graph && settings.ReasonToSkip(u.Node) is null);

    private static bool IsParameter(Use use, Tensor tensor) => use.Node.IsOnnxDomain && (use.Node.OpType, use.Index) switch
    {
        ("Conv" or "ConvTranspose" or "Gemm", 2) => true,
        ("BatchNormalization" or "LayerNormalization" or "InstanceNormalization", 1 or 2) => true,
        ("LSTM" or "GRU" or "RNN", 3) => true,
        ("PRelu", 1) => true,
        // The bias of a MatMul, the scale of a norm written out. Single numbers are parts of formulas.
        ("Add" or "Mul", _) => tensor.ElementCount > 1,
        _ => false,
    };
}
