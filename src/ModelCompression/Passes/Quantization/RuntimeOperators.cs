using ModelCompression.Analysis;
using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization;

/// <summary>Puts ONNX Runtime's own operators, which compute with packed codes, in the place of standard ones.</summary>
/// <remarks>
/// Consumers of a binary16 weight get operators in binary32 between two Casts: that is how ONNX Runtime computes binary16 products on a CPU, scales stay what the codes were made for, and a weight need not be unpacked when a session is created.
/// </remarks>
internal static class RuntimeOperators
{
    /// <summary>Their domain.</summary>
    public const string Domain = "com.microsoft";

    private const long IntegerAccuracyLevel = 4;

    /// <summary>True for weights whose consumers can be replaced.</summary>
    /// <param name="type">Type of the weight.</param>
    public static bool Takes(DataType type) => type is DataType.Float or DataType.Float16;

    /// <summary>Why <see cref="ReplaceProduct"/> cannot replace a consumer of a weight [K, N], or of Gemm also [N, K]; null when it can.</summary>
    /// <param name="use">What the weight does in the consumer.</param>
    /// <param name="weight">The weight.</param>
    public static string? WhyNoProduct(WeightUse use, Tensor weight)
    {
        bool isProduct = use.InputIndex == 1 && weight.Rank == 2
            && (use.Node.Is("MatMul") || (use.Node.Is("Gemm") && GemmView.TryFrom(use.Node, out var gemm) && gemm is { TransA: false, Alpha: 1 } && (gemm.C is null || gemm.Beta == 1)));
        return isProduct ? null : $"{use.Node.OpType} is not a plain product with a matrix";
    }

    /// <summary>Lets a model use them.</summary>
    public static void Import(Model model)
    {
        if (!model.OpsetImports.Contains(Domain)) model.OpsetImports[Domain] = 1;
    }

    /// <summary>Attributes of MatMulNBits.</summary>
    /// <param name="length">K.</param>
    /// <param name="rows">N.</param>
    /// <param name="bits">Bits of a code: 2, 4 or 8.</param>
    /// <param name="blockLength">Codes that share a scale.</param>
    /// <param name="computesWithIntegers">True to round blocks of activations to 8 bits, false to keep them in their type.</param>
    public static NodeAttribute[] ProductAttributes(int length, int rows, int bits, int blockLength, bool computesWithIntegers) =>
    [
        NodeAttribute.Of("K", (long)length),
        NodeAttribute.Of("N", (long)rows),
        NodeAttribute.Of("bits", (long)bits),
        NodeAttribute.Of("block_size", (long)blockLength),
        .. computesWithIntegers ? [NodeAttribute.Of("accuracy_level", IntegerAccuracyLevel)] : Array.Empty<NodeAttribute>(),
    ];

    /// <summary>Puts MatMulNBits in the place of MatMul or Gemm. What a Gemm adds is added by a node of its own: the operator takes a bias, but on GPUs only in some releases of ONNX Runtime, and gains nothing from it.</summary>
    /// <param name="node">The node, whose second input is the weight.</param>
    /// <param name="weight">Codes, scales, and zero points if there are any.</param>
    /// <param name="attributes">See <see cref="ProductAttributes"/>.</param>
    /// <param name="isHalf">True for a binary16 weight.</param>
    public static void ReplaceProduct(Node node, IEnumerable<Value> weight, NodeAttribute[] attributes, bool isHalf)
    {
        var product = Add(node, "MatMulNBits", [isHalf ? Widened(node, node.Input(0)) : node.Input(0), .. weight], attributes);
        if (isHalf) product = Narrowed(node, product);
        if (node.Is("Gemm") && node.Input(2) is { } summand) product = node.Graph!.AddNode("Add", [product, summand], [node.Output()!.Name + "_b"], index: node.Graph.IndexOf(node)).Outputs[0]!;
        Replace(node, product);
    }

    /// <summary>
    /// True when an Identity has to hold the codes of MatMulNBits back until constants are folded. Its integer kernel packs constant codes together with their scales as soon as it is made, and takes scales that are
    /// still to be computed for zeros. With the Identity neither are constants then; folding leaves both as constants and nothing of the Identity, and without graph optimizations the kernel reads both when it runs.
    /// </summary>
    /// <param name="computesWithIntegers">As of <see cref="ProductAttributes"/>.</param>
    /// <param name="hasConstantCodes">False when operators unpack the codes.</param>
    /// <param name="hasConstantScales">False when operators unpack or repeat the scales.</param>
    public static bool DefersPacking(bool computesWithIntegers, bool hasConstantCodes, bool hasConstantScales) => computesWithIntegers && hasConstantCodes && !hasConstantScales;

    /// <summary>Bytes of that Identity.</summary>
    /// <param name="nameByteLength">Length of a name.</param>
    public static long DeferringByteLength(int nameByteLength) => ProtobufLength.Prefixed(ProtobufLength.Node("Identity", [nameByteLength, nameByteLength], []));

    /// <summary>Adds an operator where its predecessor stands.</summary>
    public static Value Add(Node node, string opType, IEnumerable<Value?> inputs, NodeAttribute[] attributes) =>
        node.Graph!.AddNode(opType, inputs, [node.Output()!.Name + "_n"], attributes, Domain, node.Name, node.Graph.IndexOf(node)).Outputs[0]!;

    /// <summary>A binary16 operand in binary32.</summary>
    public static Value? Widened(Node node, Value? operand) => operand is null ? null : Cast(node, operand, DataType.Float, "_w");

    /// <summary>A binary32 result in binary16.</summary>
    public static Value Narrowed(Node node, Value result) => Cast(node, result, DataType.Float16, "_h");

    /// <summary>Puts new nodes in the place of an old one.</summary>
    /// <param name="old">A node with one output.</param>
    /// <param name="result">What the new ones yield.</param>
    public static void Replace(Node old, Value result)
    {
        var original = old.Output()!;
        result.Type = original.Type;
        result.TakePlaceOf(original);
        old.Graph!.RemoveNode(old);
    }

    private static Value Cast(Node node, Value value, DataType type, string suffix) =>
        node.Graph!.AddNode("Cast", [value], [node.Output()!.Name + suffix], [NodeAttribute.Of("to", (long)type)], index: node.Graph.IndexOf(node)).Outputs[0]!;
}
