using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis;

/// <summary>
/// Recognises what a model has quantized already: integer operators, Q/DQ pairs, and weights stored as integers in any form. Such nodes and the
/// scales, zero points and biases that belong to them must not be quantized again; everything else may be.
/// </summary>
public sealed class AlreadyQuantized
{
    private readonly Dictionary<Node, string> nodes = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, string> values = new(ReferenceEqualityComparer.Instance);
    private readonly List<Value> integerWeights = [];
    private readonly HashSet<Value> seenWeights = new(ReferenceEqualityComparer.Instance);
    private readonly ConstantExpressions constants;

    private AlreadyQuantized(ConstantExpressions constants) => this.constants = constants;

    /// <summary>True if anything in the model is quantized.</summary>
    public bool Any => nodes.Count > 0;

    /// <summary>Stored or computed integer constants that quantized operators take as weights, in graph order.</summary>
    public IReadOnlyList<Value> IntegerWeights => integerWeights;

    /// <summary>Nodes that are quantized already, with the reason, in graph order.</summary>
    public IReadOnlyDictionary<Node, string> Nodes => nodes;

    /// <summary>Scans a model.</summary>
    public static AlreadyQuantized Of(Model model) => Of(model, ConstantExpressions.Of(model));

    /// <summary>Scans a model whose constants are known.</summary>
    public static AlreadyQuantized Of(Model model, ConstantExpressions constants)
    {
        var found = new AlreadyQuantized(constants);
        foreach (var graph in model.AllGraphs())
            foreach (var node in graph.Nodes) found.Visit(node);
        return found;
    }

    /// <summary>Why a node must not be quantized again, such as <c>already quantized (MatMulInteger)</c>; null when it may be.</summary>
    public string? ReasonFor(Node node) => nodes.GetValueOrDefault(node);

    /// <summary>Why a floating point constant is no weight to quantize, such as <c>scale of MatMulInteger, already quantized</c>; null when nothing speaks against it.</summary>
    public string? ReasonFor(Value value) => values.GetValueOrDefault(value);

    private void Visit(Node node)
    {
        if (QuantizedOperators.IsQuantized(node)) VisitQuantized(node);
        else if (!VisitStoredIntegers(node)) VisitPair(node);
    }

    private void VisitQuantized(Node node)
    {
        nodes[node] = $"already quantized ({node.OpType})";
        foreach (int index in QuantizedOperators.WeightInputsOf(node))
            if (node.Input(index) is { } weight && constants.IsConstant(weight) && seenWeights.Add(weight)) integerWeights.Add(weight);
        for (int i = 0; i < node.Inputs.Count; i++)
        {
            // What QuantizeLinear quantizes at run time may be a float weight: training with simulated quantization leaves it so.
            if (node.Inputs[i] is { } input && IsFloat(input))
                values.TryAdd(input, node.OpType == "QuantizeLinear" && i == 0 ? "already quantized (QuantizeLinear)" : $"parameter of {node.OpType}, already quantized");
        }

        if (node.OpType == "DynamicQuantizeLinear" && node.Output(1) is { } scale) FollowScale(scale, "a dynamically quantized input", 0);
        if (node.OpType is "MatMulInteger" or "ConvInteger" && node.Output() is { } product) FollowProduct(product, node.OpType, 0);
    }

    /// <summary>Marks the constants that are multiplied with an input's scale: scales of weights.</summary>
    private void FollowScale(Value scale, string owner, int depth)
    {
        foreach (var use in depth < 4 ? scale.Uses : [])
        {
            if (!use.Node.Is("Mul")) continue;
            MarkOperands(use.Node, $"scale of {owner}, already quantized");
            FollowScale(use.Node.Outputs[0]!, owner, depth + 1);
        }
    }

    /// <summary>Follows an integer product to its conversion, scaling and bias: Cast, Mul, Add.</summary>
    private void FollowProduct(Value product, string opType, int depth)
    {
        foreach (var use in depth < 6 ? product.Uses : [])
        {
            var node = use.Node;
            if (!(node.Is("Cast") || node.Is("Mul") || node.Is("Add") || node.Is("Reshape")) || node.Output() is not { } output) continue;
            if (node.Is("Mul")) MarkOperands(node, $"scale of {opType}, already quantized");
            if (node.Is("Add"))
            {
                MarkOperands(node, $"bias of {opType}, already quantized");
                continue;
            }

            FollowProduct(output, opType, depth + 1);
        }
    }

    private void MarkOperands(Node node, string reason)
    {
        foreach (var input in node.Inputs)
        {
            // A per-channel bias or scale may have been given the rank of the product.
            var stored = input?.Producer is { } producer && (producer.Is("Reshape") || producer.Is("Cast") || producer.Is("Unsqueeze")) ? producer.Input(0) : input;
            if (stored is not null && IsFloat(stored)) values.TryAdd(stored, reason);
        }
    }

    /// <summary>A node whose weights are unpacked from stored integers by operators in front of it.</summary>
    private bool VisitStoredIntegers(Node node)
    {
        if (constants.IsConstant(node))
        {
            // The unpacking itself: its palettes and scales are not weights.
            if (node.Outputs.Any(o => o is not null && constants.CodesOf(o) is not null))
            {
                foreach (var input in node.Inputs)
                    if (input is not null && IsFloat(input)) values.TryAdd(input, "scale or palette of a weight stored as integers");
            }

            return true;
        }

        foreach (var input in node.Inputs)
        {
            if (input is null || !constants.IsComputed(input) || constants.CodesOf(input) is not { } codes || !codes.TryGetConstant(out var tensor)) continue;
            bool isPair = Unpacker(input) is { OpType: "DequantizeLinear" };
            nodes[node] = isPair ? "already quantized (DequantizeLinear)" : $"already quantized (weight stored as {tensor.DataType})";
            MarkBias(node);
            return true;
        }

        return false;
    }

    /// <summary>The node that yields a computed weight, looked for through those that only move elements.</summary>
    private static Node? Unpacker(Value weight)
    {
        var node = weight.Producer;
        while (node?.OpType is "Transpose" or "Reshape" or "Identity" or "Cast" or "Unsqueeze" or "Squeeze") node = node.Input(0)?.Producer;
        return node;
    }

    /// <summary>A node between DequantizeLinear and QuantizeLinear: the runtime computes it with integers.</summary>
    private void VisitPair(Node node)
    {
        bool takesQuantized = node.Input(0)?.Producer is { OpType: "DequantizeLinear" };
        bool weightIsPaired = node.Input(1)?.Producer is { OpType: "DequantizeLinear" };
        if (!takesQuantized || !(weightIsPaired || node.Outputs.Any(o => o is not null && o.Uses.Any(u => u.Node.OpType == "QuantizeLinear")))) return;
        nodes[node] = "already quantized (Q/DQ)";
        MarkBias(node);
    }

    private void MarkBias(Node node)
    {
        if (node.OpType is "Conv" or "ConvTranspose" or "Gemm" && node.Input(2) is { } bias && IsFloat(bias)) values.TryAdd(bias, $"bias of {node.OpType}, already quantized");
    }

    private static bool IsFloat(Value value) => value.TryGetConstant(out var tensor) && tensor.DataType.IsFloatingPoint();
}
