using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients;

/// <summary>Walks a graph from the loss to the wanted values and emits, node by node, the gradients of the inputs.</summary>
/// <remarks>Reverse-mode differentiation: for y = f(x) and a loss L, ∂L/∂x = (∂y/∂x)ᵀ · ∂L/∂y, summed over all uses of x (Linnainmaa 1970).</remarks>
internal sealed class BackwardPass
{
    private readonly Dictionary<Value, Value> gradients = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<Value> active = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, Value> rewritten = new(ReferenceEqualityComparer.Instance);
    private readonly GradientEmitter emit;
    private readonly Func<Value, long[]> dimsOf;

    public BackwardPass(GradientEmitter emit, Func<Value, long[]> dimsOf, IEnumerable<Value> wanted, IReadOnlyList<Node> nodes, GateSums gates, FactorOutputs factors, ChannelBlocks blocks)
    {
        this.emit = emit;
        this.dimsOf = dimsOf;
        Gates = gates;
        Factors = factors;
        Blocks = blocks;
        Rows = new(emit, blocks);
        active.UnionWith(wanted);
        foreach (var node in nodes)
        {
            if (!node.Inputs.Any(i => i is not null && active.Contains(i)) && !CapturesActive(node)) continue;
            foreach (var output in node.Outputs)
                if (output is not null && GradientRules.CarriesGradient(node, output)) active.Add(output);
        }
    }

    /// <summary>Gradients of factors, which rules may give in place of the gradient of a weight.</summary>
    public GateSums Gates { get; }

    /// <summary>Gradients that rules may give as factors.</summary>
    public FactorOutputs Factors { get; }

    /// <summary>Values with their channels in blocks.</summary>
    public ChannelBlocks Blocks { get; }

    /// <summary>Values with their channels side by side.</summary>
    public ChannelRows Rows { get; }

    /// <summary>True if the value depends on a wanted one in a way that can be differentiated.</summary>
    public bool IsActive(Value value) => active.Contains(value);

    /// <summary>The gradient accumulated so far, or null.</summary>
    public Value? GradientOf(Value value) => gradients.GetValueOrDefault(value);

    /// <summary>Sizes of a value of the model.</summary>
    public long[] DimsOf(Value value) => dimsOf(value);

    /// <summary>Adds a part of a value's gradient.</summary>
    public void Accumulate(Value value, Value gradient) =>
        gradients[value] = gradients.TryGetValue(value, out var sum) ? Rows.Sum(sum, gradient, () => dimsOf(value)) ?? emit.Add(sum, gradient) : gradient;

    /// <summary>States a value that backward nodes need anyway, equal to one of the model's but for rounding: at the end it takes the place of that one, whose node need not run then.</summary>
    public void Rewrite(Value value, Value equal) => rewritten[value] = equal;

    /// <summary>The value that stands for one of the model's at the end.</summary>
    public Value Final(Value value) => rewritten.GetValueOrDefault(value, value);

    /// <summary>Makes the consumers of rewritten values use what stands for them.</summary>
    public void Finish(OnnxGraph graph)
    {
        foreach (var (value, equal) in rewritten) value.ReplaceAllUsesWith(equal);
        if (rewritten.Count > 0) graph.TrySortTopologically();
    }

    /// <summary>Propagates from the values that have a gradient by now back through <paramref name="nodes"/>.</summary>
    public void Run(IReadOnlyList<Node> nodes)
    {
        for (int i = nodes.Count - 1; i >= 0; i--)
        {
            var node = nodes[i];
            if (!node.Outputs.Any(o => o is not null && gradients.ContainsKey(o))) continue;
            if (CapturesActive(node)) throw GradientError.NoRule(node, "its branches use weights or values that depend on them");
            if (!node.Inputs.Any(x => x is not null && active.Contains(x))) continue;
            if (GradientRules.Find(node) is not { } rule) throw GradientError.NoRule(node, "there is no rule for this operator");
            try
            {
                rule(new NodeGradient(node, emit, this));
            }
            catch (NotSupportedException e)
            {
                throw GradientError.NoRule(node, e.Message);
            }
        }
    }

    private bool CapturesActive(Node node) =>
        node.Subgraphs.Any(g => g.AllNodes().Any(n => n.Inputs.Any(i => i is not null && active.Contains(i))) || g.Outputs.Any(active.Contains));
}
