using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Simplification;

/// <summary>Chooses which known values of a graph and its subgraphs become constants so that the file does not grow.</summary>
internal sealed class FoldingPlan
{
    private readonly GraphScope root;
    private readonly HashSet<Node> nodes;
    private readonly FoldedConstants constants;
    private readonly HashSet<Value> tried = [];

    private FoldingPlan(GraphScope root, IEnumerable<Node> nodes, FoldedConstants constants)
    {
        this.root = root;
        this.nodes = [.. nodes];
        this.constants = constants;
    }

    /// <summary>Values to store as constants.</summary>
    public List<Value> Values { get; } = [];

    /// <summary>Wanted values that would have made the file larger.</summary>
    public List<Value> Refused { get; } = [];

    /// <summary>Nodes that nothing needs once the values are constants.</summary>
    public HashSet<Node> Dead { get; } = [];

    /// <summary>Constants that nothing needs then.</summary>
    public HashSet<Value> GoneConstants { get; } = [];

    /// <summary>Makes a plan.</summary>
    /// <param name="root">The main graph or a function body.</param>
    /// <param name="nodes">Nodes whose outputs are known, in order.</param>
    /// <param name="constants">Takes the chosen values.</param>
    public static FoldingPlan Choose(GraphScope root, IReadOnlyList<Node> nodes, FoldedConstants constants)
    {
        var plan = new FoldingPlan(root, nodes, constants);
        foreach (var group in FoldingGroups.Of(nodes))
        {
            var wanted = group.SelectMany(n => n.Outputs).OfType<Value>().Where(plan.IsWanted).ToList();
            if (wanted.Count == 0 || plan.TryChoose(wanted)) continue;
            foreach (var value in wanted)
                if (!plan.TryPart(value)) plan.Refused.Add(value);
        }

        return plan;
    }

    /// <summary>True if something else than the known nodes consumes the value.</summary>
    private bool IsWanted(Value value) => value.IsGraphOutput || value.Uses.Any(u => !nodes.Contains(u.Node));

    private bool TryPart(Value value)
    {
        if (!tried.Add(value)) return constants.Contains(value);
        if (TryChoose([value])) return true;
        foreach (var input in value.Producer!.Inputs)
            if (input?.Producer is { } producer && nodes.Contains(producer)) TryPart(input);
        return false;
    }

    /// <summary>Chooses the values if what they make superfluous is at least as large as they are.</summary>
    private bool TryChoose(IReadOnlyList<Value> values)
    {
        var fresh = values.Where(v => !constants.Contains(v)).ToList();
        if (fresh.Count == 0) return true;
        var dead = new HashSet<Node>();
        var gone = new HashSet<Value>();
        long saved = Collect([.. fresh], dead, gone);
        if (!constants.TryAdd(fresh, saved)) return false;
        Values.AddRange(fresh);
        Dead.UnionWith(dead);
        GoneConstants.UnionWith(gone);
        return true;
    }

    /// <summary>Finds the nodes and constants that go when <paramref name="fresh"/> become constants, and how many bytes they take at least.</summary>
    private long Collect(HashSet<Value> fresh, HashSet<Node> dead, HashSet<Value> gone)
    {
        long saved = 0;
        var open = new Stack<Node>(fresh.Select(v => v.Producer!));
        while (open.TryPop(out var node))
        {
            if (Dead.Contains(node) || dead.Contains(node) || !node.Outputs.All(o => o is null || IsFree(o))) continue;
            dead.Add(node);
            saved += SerializedSize.AtLeast(node);
            foreach (var input in node.Inputs)
            {
                if (input is null) continue;
                if (input.Producer is { } producer && nodes.Contains(producer)) open.Push(producer);
                else if (!GoneConstants.Contains(input) && IsFree(input) && root.TryGetFixed(input, out var tensor) && gone.Add(input))
                    saved += SerializedSize.AtLeast(input, tensor);
            }
        }

        return saved;

        bool IsFree(Value value)
        {
            if (fresh.Contains(value) || constants.Contains(value)) return true;
            return !value.IsGraphOutput && !value.IsReferencedByName && value.Uses.All(u => dead.Contains(u.Node) || Dead.Contains(u.Node));
        }
    }
}
