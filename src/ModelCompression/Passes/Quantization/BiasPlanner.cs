using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Float16;

namespace ModelCompression.Passes.Quantization;

/// <summary>A bias that will be stored as binary16.</summary>
/// <param name="Bias">The bias.</param>
/// <param name="Rounded">Its new content.</param>
/// <param name="SavedByteLength">Bytes that this saves in the file.</param>
internal sealed record BiasPlan(UntreatedConstant Bias, Float16Tensor Rounded, long SavedByteLength)
{
    /// <summary>The layer that it is the bias of, the first if there are several.</summary>
    public Node Layer => BiasPlanner.LayerOf(Bias.Value.Uses[0])!;

    /// <summary>The nodes that read it.</summary>
    public IEnumerable<Node> Readers => Bias.Value.Uses.Select(u => u.Node);
}

/// <summary>Finds biases that lose nothing by being stored as binary16, which makes room for precision where it matters.</summary>
/// <remarks>
/// Rounding to binary16 leaves about 75 dB, thirty more than 8-bit weights do, so a bias is not what limits a layer; in networks of many small layers biases are a tenth
/// of the bytes. Integers are no choice: one scale for all channels would drown small biases.
/// </remarks>
/// <param name="model">The model.</param>
/// <param name="settings">Settings.</param>
/// <param name="names">How long names will be.</param>
internal sealed class BiasPlanner(Model model, CompressionSettings settings, NameStyle names)
{
    /// <summary>What rounding must leave; less means that the elements lie outside the normal range of binary16.</summary>
    private const double MinSqnrDb = 65;

    /// <summary>The same of a bias that does nothing but take up what rounding a layer's weights has shifted.</summary>
    private const double MinShiftSqnrDb = 20;

    /// <summary>Fewer elements save nothing where no others are stored with them.</summary>
    internal const int MinElements = 16;

    private readonly AlreadyQuantized already = AlreadyQuantized.Of(model);
    private readonly IReadOnlyDictionary<OnnxGraph, GraphTarget> targets = GraphTarget.AllOf(model);

    /// <summary>The biases among a model's other constants.</summary>
    /// <param name="catalog">The model's constants.</param>
    /// <param name="withoutBias">Layers that had no bias before their weights were rounded; null for none.</param>
    public IReadOnlyList<BiasPlan> Plan(WeightCatalog catalog, IReadOnlySet<Node>? withoutBias = null) => [.. catalog.Others.Select(o => TryPlan(o, withoutBias)).OfType<BiasPlan>()];

    private BiasPlan? TryPlan(UntreatedConstant constant, IReadOnlySet<Node>? withoutBias)
    {
        var value = constant.Value;
        long saved = StoredSize.OfConstant(constant.Tensor.DataType, constant.Tensor.Dims, names.ByteLength, asNode: value.Producer is not null) - StoredSize.OfJoinedHalves(constant.Tensor.ElementCount, names, targets[value.Graph]);
        if (saved <= 0 || constant.Tensor.ElementCount < MinElements || constant.Tensor.DataType != DataType.Float || !value.Uses.All(IsTreatedBias)) return null;
        if (value.IsGraphOutput || value.IsReferencedByName || already.ReasonFor(value) is not null) return null;
        if (targets[value.Graph].Opset < WeightPlanner.BroadcastOpset) return null;
        var rounded = Float16Rounding.TryRound(constant.Tensor);
        double least = withoutBias is not null && value.Uses.All(u => withoutBias.Contains(u.Node)) ? MinShiftSqnrDb : MinSqnrDb;
        return rounded is { Overflows: 0 } && rounded.Noise.SqnrDb >= least ? new(constant, rounded, saved) : null;
    }

    private bool IsTreatedBias(Use use)
    {
        if (LayerOf(use) is not { IsOnnxDomain: true } layer || settings.ReasonToSkip(layer) is not null) return false;
        var options = settings.For(layer);
        return options.Quantization is QuantizationMode.WeightOnly or QuantizationMode.Dynamic && options.QuantizationFormat == QuantizationFormat.Auto;
    }

    /// <summary>The layer that a constant is the bias of; MatMul has none of its own, but an Add behind it.</summary>
    internal static Node? LayerOf(Use use) => (use.Node.OpType, use.Index) switch
    {
        ("Conv" or "ConvTranspose" or "Gemm", 2) or ("LSTM" or "GRU" or "RNN", 3) => use.Node,
        ("Add", 0 or 1) when use.Node.Input(1 - use.Index)?.Producer is { } product && product.Is("MatMul") && product.Inputs.Any(i => i?.TryGetConstant(out _) == true) => product,
        _ => null,
    };
}
