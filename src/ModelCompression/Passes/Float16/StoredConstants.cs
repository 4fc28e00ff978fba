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
