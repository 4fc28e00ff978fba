using System.Text;
using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Float16;

/// <summary>Decides which binary32 constants are worth being stored as binary16, by settings, use and size.</summary>
/// <param name="model">The model.</param>
/// <param name="settings">Settings.</param>
internal sealed class StoredConstants(Model model, CompressionSettings settings)
{
    /// <summary>Operator set in which Cast has its target as a number.</summary>
    private const long CastOpset = 6;

    /// <summary>Share of zeros from which a sparse form is looked for: a bit mask costs one bit in sixteen.</summary>
    private const double SparseZeroFraction = 0.1;

    /// <summary>Length of the names given to unpacked constants.</summary>
    private const int NameByteLength = 5;

    private readonly AlreadyQuantized quantized = AlreadyQuantized.Of(model);
    private readonly IReadOnlyDictionary<OnnxGraph, long> opsets = OpsetsOf(model);

    /// <summary>Why a constant stays as it is; null when it may be stored as binary16.</summary>
    public string? WhyNot(Value value, Tensor tensor)
    {
        foreach (var use in value.Uses)
        {
            if (settings.ReasonToSkip(use.Node) is { } reason) return value.Uses.Count == 1 ? reason : $"{use.Node.DisplayName} is {reason}";
            var mode = settings.For(use.Node).Quantization;
            if (mode != QuantizationMode.Float16) return $"Quantization={mode}";
        }

        if (value.IsGraphOutput) return "returned by a graph";
        if (value.IsReferencedByName) return "referenced by training information";
        if (quantized.ReasonFor(value) is { } already) return already;
        if (tensor.DataType != DataType.Float) return $"stored as {tensor.DataType}";
        if (tensor.ElementCount > Array.MaxLength) return "more than 2^31 elements";
        if (opsets[value.Graph] < CastOpset) return FormattableString.Invariant($"opset {opsets[value.Graph]} cannot convert it back; opset {CastOpset} and later can");
        return Saving(value, tensor) <= 0 ? "too small: the node that converts it back would take more bytes" : null;
    }

    /// <summary>How a constant with many zeros is stored in fewer bytes still; null when it is stored as it is.</summary>
    public PackingPlan? Sparse(Value value, Float16Tensor rounded)
    {
        var storage = settings.For(value.Uses[0].Node).SparseStorage;
        if (storage == SparseStorage.Dense || rounded.Sparsity < SparseZeroFraction) return null;
        var root = value.Graph;
        while (root.ParentNode?.Graph is { } outer) root = outer;
        var plan = TensorPacking.Plan(rounded.Tensor, new PackingRequest(storage, opsets[value.Graph])
        {
            UseConstantNodes = root != model.Graph || model.IrVersion < 4,
            NameByteLength = Encoding.UTF8.GetByteCount(value.Name),
        });
        if (plan.Kind == PackingKind.Dense) return null;
        plan.Prepare();
        return plan;
    }

    private static long Saving(Value value, Tensor tensor)
    {
        int name = Encoding.UTF8.GetByteCount(value.Name);
        return (tensor.ByteLength / 2) - ProtobufLength.Prefixed(ProtobufLength.Node("Cast", [name, NameByteLength], [NodeAttribute.Of("to", (long)DataType.Float)]));
    }

    private static Dictionary<OnnxGraph, long> OpsetsOf(Model model)
    {
        var opsets = new Dictionary<OnnxGraph, long>(ReferenceEqualityComparer.Instance);
        foreach (var graph in model.Graph.SelfAndSubgraphs()) opsets[graph] = model.OpsetImports.Onnx;
        foreach (var function in model.Functions)
            foreach (var graph in function.Body.SelfAndSubgraphs()) opsets[graph] = function.OpsetImports.Onnx;
        return opsets;
    }
}
