using ModelCompression.Analysis;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization.Dynamic;

/// <summary>Decides which nodes compute with integers, and why the others do not. Looks at settings, consumers, shapes and sizes, never at the elements.</summary>
internal sealed class DynamicPlanner
{
    private readonly Model model;
    private readonly CompressionSettings settings;
    private readonly IReadOnlyDictionary<OnnxGraph, GraphTarget> targets;
    private readonly AlreadyQuantized already;
    private readonly Dictionary<Value, WeightSite> sites = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Node, IntegerCall> calls = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Node, string> reasons = new(ReferenceEqualityComparer.Instance);

    private DynamicPlanner(Model model, WeightCatalog catalog, CompressionSettings settings)
    {
        this.model = model;
        this.settings = settings;
        targets = GraphTarget.AllOf(model);
        already = AlreadyQuantized.Of(model);
        foreach (var site in catalog.Weights) sites[site.Value] = site;
    }

    /// <summary>Nodes that will compute with integers, in graph order.</summary>
    public IEnumerable<IntegerCall> Calls => model.AllGraphs().SelectMany(g => g.Nodes).Select(n => calls.GetValueOrDefault(n)).OfType<IntegerCall>();

    /// <summary>Nodes that were asked to but will not, with the reason.</summary>
    public IReadOnlyDictionary<Node, string> Reasons => reasons;

    /// <summary>Plans a model.</summary>
    public static DynamicPlanner Of(Model model, WeightCatalog catalog, CompressionSettings settings)
    {
        var planner = new DynamicPlanner(model, catalog, settings);
        foreach (var graph in model.AllGraphs())
            foreach (var node in graph.Nodes) planner.Visit(node);
        planner.DropUnshareable();
        planner.DropTooSmall();
        return planner;
    }

    /// <summary>The plan of a weight that integer kernels take.</summary>
    public IntegerWeightPlan PlanOf(IntegerCall call, IntegerOperand operand)
    {
        var options = call.Options;
        bool asymmetric = options.QuantizationScheme == QuantizationScheme.Asymmetric && IntegerNodeRules.TakesZeroPoints(call.Kernel, operand);
        var range = asymmetric ? CodeRange.Asymmetric(options.WeightBits) : CodeRange.Symmetric(options.WeightBits);
        int offset = !asymmetric && TargetProcessor.SaturatesSignedWeights(options.TargetCpu) ? 128 : 0;
        return new(operand, range, offset, targets[operand.Site.Value.Graph], options);
    }

    private void Visit(Node node)
    {
        bool isProduct = node.Inputs.Any(i => i is not null && sites.TryGetValue(i, out var site) && site.Uses.Any(u => u.Node == node && u.Role != WeightRole.Embedding));
        bool isAttention = !isProduct && node.Is("MatMul");
        var options = isProduct || isAttention ? settings.For(node) : null;
        if (options?.Quantization != QuantizationMode.Dynamic || settings.ReasonToSkip(node) is not null || already.ReasonFor(node) is not null) return;
        if (isAttention)
        {
            reasons[node] = "both operands are computed at run time";
            return;
        }

        if (IntegerNodeRules.WhyNot(node, options, targets[node.Graph!]) is { } reason) reasons[node] = reason;
        else if (IntegerNodeRules.Call(node, options, targets[node.Graph!], sites) is { } call && WhyUnsuitable(call) is var unsuitable)
        {
            if (unsuitable is null) calls[node] = call;
            else reasons[node] = unsuitable;
        }
        else reasons[node] = "the weights are not constant";
    }

    private string? WhyUnsuitable(IntegerCall call)
    {
        foreach (var operand in call.Operands)
        {
            var tensor = operand.Site.Tensor;
            if (already.ReasonFor(operand.Site.Value) is { } reason) return reason;
            if (tensor.DataType != DataType.Float) return $"integer kernels yield binary32, the weight is {tensor.DataType}";
            if (tensor.ElementCount == 0) return "empty";
            if (tensor.ElementCount > Array.MaxLength) return "more than 2^31 elements";
            if (IntegerNodeRules.SumLength(operand) > IntegerNodeRules.MaxSumLength) return "sums of so many products may not fit 32 bits";
        }

        return null;
    }

    /// <summary>A weight is stored once: all its consumers have to take the same codes. Dropping one may drop others.</summary>
    private void DropUnshareable()
    {
        bool changed;
        do
        {
            changed = false;
            foreach (var call in Calls.ToArray())
            {
                if (call.Operands.Select(o => WhyUnshareable(call, o)).FirstOrDefault(r => r is not null) is not { } reason) continue;
                Drop(call, reason);
                changed = true;
            }
        }
        while (changed);
    }

    private string? WhyUnshareable(IntegerCall call, IntegerOperand operand)
    {
        foreach (var use in operand.Site.Uses)
        {
            if (use.Node == call.Node) continue;
            if (!calls.TryGetValue(use.Node, out var other)) return $"{use.Node.DisplayName} needs the weight as floats";
            var (theirs, ours) = (PlanOf(other, operand), PlanOf(call, operand));
            if (!other.Operands.Any(o => o.IsSameAs(operand)) || theirs.Range != ours.Range || theirs.Offset != ours.Offset)
                return $"{use.Node.DisplayName} takes the weight in another form";
        }

        return null;
    }

    private void DropTooSmall()
    {
        foreach (var call in Calls.ToArray())
        {
            long before = 0, after = 0;
            foreach (var operand in call.Operands)
            {
                // What weights of several nodes save is counted with each of them; their nodes are the same few.
                before += StoredSize.OfFloat(operand.Site);
                after += IntegerSize.Of(PlanOf(call, operand));
            }

            if (after + IntegerSize.OfNodes(call) >= before) Drop(call, "too small: codes, scales and nodes would take more bytes");
        }

        DropUnshareable();
    }

    private void Drop(IntegerCall call, string reason)
    {
        calls.Remove(call.Node);
        reasons[call.Node] = reason;
    }
}
