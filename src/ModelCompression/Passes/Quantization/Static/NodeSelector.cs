using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Chooses the nodes that compute with integers.</summary>
/// <remarks>
/// Linear operators come first: they are where time is spent. Operators between them follow where that keeps values in integers all the way: those that move
/// elements behind a quantized node, and those that compute where all they read is quantized already and an integer operator reads the result.
/// With <c>QuantizationFormat=QDQ</c> linear operators without an integer kernel are taken too.
/// </remarks>
internal sealed class NodeSelector
{
    private static readonly HashSet<string> FusedWithGemm = new(StringComparer.Ordinal) { "Relu", "LeakyRelu", "Sigmoid", "Tanh", "Elu", "Selu", "HardSigmoid", "Softplus", "Softsign", "ThresholdedRelu", "Celu", "Clip", "Gelu" };

    private readonly Model model;
    private readonly CompressionSettings settings;
    private readonly AlreadyQuantized already;
    private readonly LinearNodes linear;
    private readonly Dictionary<Node, QuantizedNode> chosen = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Node, string> reasons = new(ReferenceEqualityComparer.Instance);

    public NodeSelector(Model model, WeightCatalog catalog, CompressionSettings settings)
    {
        this.model = model;
        this.settings = settings;
        already = AlreadyQuantized.Of(model);
        linear = new LinearNodes(catalog, already);
    }

    /// <summary>Why a linear operator stays float.</summary>
    public IReadOnlyDictionary<Node, string> Reasons => reasons;

    /// <summary>Why the first consumer of a weight stays float; null where there is nothing to say.</summary>
    public string? WhyNot(WeightSite site) => reasons.GetValueOrDefault(site.Node)
        ?? (StaticOperators.RoleOf(site.Node) == StaticRole.None && Skip(site.Node) is null ? $"ONNX Runtime has no static integer kernel for {site.Node.OpType}" : null);

    /// <summary>The nodes in graph order.</summary>
    /// <param name="excluded">Linear operators to leave float, with the reason; everything that only followed them stays float too.</param>
    public IReadOnlyList<QuantizedNode> Select(IReadOnlyDictionary<Node, string>? excluded = null)
    {
        chosen.Clear();
        reasons.Clear();
        foreach (var graph in model.AllGraphs())
            foreach (var node in graph.Nodes)
                if (StaticOperators.RoleOf(node) == StaticRole.Linear) SelectLinear(node, excluded?.GetValueOrDefault(node));
        bool grows = true;
        while (grows)
        {
            grows = false;
            foreach (var node in model.Graph.Nodes)
                if (!chosen.ContainsKey(node) && Between(node) is { } between) grows |= chosen.TryAdd(node, between);
        }

        DropDeadEnds();
        return [.. model.Graph.Nodes.Where(chosen.ContainsKey).Select(n => chosen[n])];
    }

    private void SelectLinear(Node node, string? exclusion)
    {
        string? reason = exclusion ?? (node.Graph != model.Graph ? "it lies in a branch, loop or function, where calibration does not see its inputs" : Skip(node));
        if (reason is null && !StaticOperators.HasIntegerKernel(node) && settings.For(node).QuantizationFormat is QuantizationFormat.Auto or QuantizationFormat.QOperator) reason = $"ONNX Runtime has no integer kernel for {node.OpType}";
        if (reason is null && linear.TryMake(node, out reason) is { } quantized)
        {
            chosen.Add(node, quantized);
            return;
        }

        reasons[node] = reason!;
    }

    private string? Skip(Node node)
    {
        if ((already.ReasonFor(node) ?? settings.ReasonToSkip(node)) is { } reason) return reason;
        var mode = settings.For(node).Quantization;
        return mode == QuantizationMode.Static ? null : $"Quantization={mode}";
    }

    private QuantizedNode? Between(Node node)
    {
        var role = StaticOperators.RoleOf(node);
        if (role is StaticRole.None or StaticRole.Linear || Skip(node) is not null || !StaticOperators.HasIntegerKernel(node)) return null;
        int[] inputs = [.. StaticOperators.DataInputs(node)];
        if (inputs.Length == 0 || inputs.Any(i => node.Input(i) is null) || !inputs.Any(i => !IsConstant(node.Inputs[i]!))) return null;
        if (!inputs.All(i => IsConstant(node.Inputs[i]!) ? IsFloatConstant(node.Inputs[i]!) : IsQuantizedByProducer(node.Inputs[i]!))) return null;
        if (role == StaticRole.Computes && !node.Outputs.Any(o => o is not null && LeadsToInteger(o))) return null;
        return new QuantizedNode(node, role, inputs, true);
    }

    /// <summary>
    /// A node that follows is worth its Q/DQ pair only if something behind it reads integers. The output of a matrix product stays float where nothing does: its integer
    /// kernel can return the sums in float, other than that of Conv, behind which Relu and Clip at least cost nothing.
    /// </summary>
    private void DropDeadEnds()
    {
        foreach (var node in model.Graph.Nodes.Reverse())
        {
            if (!chosen.TryGetValue(node, out var c) || c.Outputs.Any(o => o.Uses.Any(u => chosen.ContainsKey(u.Node)))) continue;
            if (c.Role is StaticRole.Moves or StaticRole.Computes || (c.Role == StaticRole.Bounds && node.Inputs[0]!.Producer is { } before && ReturnsFloat(before))) chosen.Remove(node);
            else if (ReturnsFloat(node)) chosen[node] = c with { QuantizesOutput = false };
        }
    }

    /// <summary>
    /// True if the integer kernel can return floats. Gemm cannot where ONNX Runtime fuses an activation function into it first: then it would turn the weights back into floats at every run.
    /// </summary>
    private static bool ReturnsFloat(Node node) => node.OpType == "MatMul" || (node.OpType == "Gemm" && !node.Outputs[0]!.Uses.Any(u => FusedWithGemm.Contains(u.Node.OpType)));

    private bool IsQuantizedByProducer(Value value) => value.Producer is { } producer && chosen.TryGetValue(producer, out var node) && node.QuantizesOutput;

    private bool LeadsToInteger(Value value) => value.Uses.Any(u => chosen.TryGetValue(u.Node, out _)
        || (StaticOperators.RoleOf(u.Node) is StaticRole.Moves or StaticRole.Bounds && u.Node.Outputs.Any(o => o is not null && LeadsToInteger(o))));

    private static bool IsConstant(Value value) => value.TryGetConstant(out _);

    private static bool IsFloatConstant(Value value) => value.TryGetConstant(out var tensor) && tensor.DataType == DataType.Float;
}
