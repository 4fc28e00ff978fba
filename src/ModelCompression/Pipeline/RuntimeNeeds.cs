using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Quantization;

namespace ModelCompression.Pipeline;

/// <summary>
/// What an application's ONNX Runtime must know to open a result. Most results are made of operators that every version has which opens the original; these kernels came later.
/// </summary>
/// <remarks>Versions were found by opening results in ONNX Runtime 1.14 to 1.30; see docs/performance.md, "Older versions of ONNX Runtime".</remarks>
/// <param name="Least">Lowest version that opens the model.</param>
/// <param name="Operators">Operators that make it so.</param>
internal sealed record RuntimeNeeds(Version Least, string Operators)
{
    private static readonly RuntimeNeeds Nothing = new(new(1, 0), "");

    /// <summary>What a model's operators need.</summary>
    public static RuntimeNeeds Of(Model model)
    {
        var needs = model.Graph.AllNodes().Where(n => n.Domain == RuntimeOperators.Domain).Select(Of);
        return needs.Aggregate(Nothing, (most, need) => need.Least > most.Least ? need : most);
    }

    /// <summary>A note on a result that asks for more than its original; otherwise null.</summary>
    /// <param name="original">Needs of the original.</param>
    public Diagnostic? BeyondThoseOf(RuntimeNeeds original) => Least <= original.Least ? null : Diagnostic.Note("MCB4049",
        $"Applications need ONNX Runtime {Least} or later for this result: older versions do not have {Operators}. QuantizationFormat=Folded makes results that every version opens which opens the original.");

    private static RuntimeNeeds Of(Node node) => (node.OpType, node.GetInt("bits", 4)) switch
    {
        ("MatMulNBits", 2) => new(new(1, 24), "MatMulNBits of 2 bits"),
        ("MatMulNBits", 8) => new(new(1, 22), "MatMulNBits of 8 bits"),
        ("MatMulNBits", _) => new(new(1, 17), "MatMulNBits"),
        ("GatherBlockQuantized", var bits) => new(new(1, 23), $"GatherBlockQuantized of {bits} bits"),
        ("QuantizeLinear" or "DequantizeLinear", _) when node.Input(2)?.Initializer?.DataType is DataType.UInt16 or DataType.Int16 => new(new(1, 17), "QuantizeLinear to 16 bits"),
        _ => Nothing,
    };
}
