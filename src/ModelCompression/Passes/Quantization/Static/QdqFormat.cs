using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>What the operators QuantizeLinear and DequantizeLinear can do in which version.</summary>
internal static class QdqFormat
{
    /// <summary>From here on QuantizeLinear exists.</summary>
    public const long OldestOpset = 10;

    /// <summary>From here on DequantizeLinear takes one scale per channel.</summary>
    public const long AxisOpset = 13;

    /// <summary>From here on they know 16-bit types.</summary>
    public const long Int16Opset = 21;

    private const string Contributed = "com.microsoft";

    /// <summary>The domain of the pairs: the standard one, or ONNX Runtime's for 16-bit codes of a model below opset 21, which is then imported.</summary>
    public static string DomainFor(Model model, IEnumerable<ActivationScale> scales)
    {
        if (model.OpsetImports.Onnx >= Int16Opset || scales.All(s => s.Type == DataType.UInt8)) return "";
        if (!model.OpsetImports.Contains(Contributed)) model.OpsetImports[Contributed] = 1;
        return Contributed;
    }
}
