using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization;

namespace ModelCompression.Pipeline;

/// <summary>
/// What an application's ONNX Runtime must know to open a result. Most results are made of operators that every version has which opens the original; these kernels came later.
/// </summary>
/// <remarks>Versions were found by opening results in ONNX Runtime 1.14 to 1.30; see docs/performance.md, "Older versions of ONNX Runtime".</remarks>
internal sealed class RuntimeNeeds
{
    private readonly IReadOnlyList<Need> needs;

    private RuntimeNeeds(IEnumerable<Need> needs) => this.needs = [.. needs.OrderByDescending(n => n.Since).ThenBy(n => n.Operators, StringComparer.Ordinal)];

    private Version Least => needs is [var most, ..] ? most.Since : new(1, 0);

    /// <summary>What a model's operators need.</summary>
    public static RuntimeNeeds Of(Model model) => new(model.Graph.AllNodes().Where(n => n.Domain == RuntimeOperators.Domain).Select(Of).OfType<Need>().Distinct());

    /// <summary>A note on a result that asks for more than its original, and on the settings that would not; otherwise null.</summary>
    /// <param name="original">Needs of the original.</param>
    /// <param name="quantization">Settings of the result.</param>
    public Diagnostic? BeyondThoseOf(RuntimeNeeds original, QuantizationMode quantization)
    {
        var more = needs.Where(n => n.Since > original.Least).ToList();
        if (more.Count == 0) return null;
        var instead = more.Select(n => n.IsActivation ? "ActivationBits=8" : $"QuantizationFormat={FormatOfAllVersions(quantization)}").Distinct();
        return Diagnostic.Note("MCB4049", $"Applications need ONNX Runtime {Least} or later for this result: older versions do not have {more[0].Operators}. Results with {string.Join(" and ", instead)} open in every version that opens the original.");
    }

    /// <summary>The format without kernels of its own that the settings may be combined with.</summary>
    private static string FormatOfAllVersions(QuantizationMode quantization) => quantization switch
    {
        QuantizationMode.Static => "QDQ",
        QuantizationMode.Dynamic => "QOperator",
        _ => "Folded",
    };

    private static Need? Of(Node node) => (node.OpType, node.GetInt("bits", 4)) switch
    {
        ("MatMulNBits", 2) => new(new(1, 24), "MatMulNBits of 2 bits"),
        ("MatMulNBits", 8) => new(new(1, 22), "MatMulNBits of 8 bits"),
        ("MatMulNBits", _) => new(new(1, 17), "MatMulNBits"),
        ("GatherBlockQuantized", var bits) => new(new(1, 23), $"GatherBlockQuantized of {bits} bits"),
        ("QuantizeLinear" or "DequantizeLinear", _) when node.Input(2)?.Initializer?.DataType is DataType.UInt16 or DataType.Int16 => new(new(1, 17), "QuantizeLinear to 16 bits") { IsActivation = true },
        _ => null,
    };

    /// <summary>Operators that came to ONNX Runtime later than what most models are made of.</summary>
    /// <param name="Since">The first version with the operators.</param>
    /// <param name="Operators">Their name.</param>
    private sealed record Need(Version Since, string Operators)
    {
        /// <summary>True for codes of activations, false for kernels that compute with codes of weights.</summary>
        public bool IsActivation { get; init; }
    }
}
