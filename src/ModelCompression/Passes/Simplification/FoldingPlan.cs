using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Simplification;

/// <summary>Chooses which known values become constants so that the file does not grow.</summary>
internal sealed class FoldingPlan
{
    private readonly GraphScope scope;
    private readonly HashSet<Node> nodes;
    private readonly Func<Value, long> cost;
    private readonly HashSet<Value> chosen = [];
    private readonly HashSet<Value> tried = [];

    private FoldingPlan(GraphScope scope, IEnumerable<Node> nodes, Func<Value, long> cost)
    {
        this.scope = scope;
        this.nodes = [.. nodes];
        this.cost = cost;
    }

    /// <summary>Values to store as constants, in node order.</summary>
    public List<Value> Values { get; } = [];

    /// <summary>Wanted values that would have made the file larger.</summary>
    public List<Value> Refused { get; } = [];

    /// <summary>Nodes that nothing needs once the values are constants.</summary>
    public HashSet<Node> Dead { get; } = [];

    /// <summary>Constants that nothing needs then.</summary>
    public HashSet<Value> GoneConstants { get; } = [];

    /// <summary>Makes a plan.</summary>
    /// <param name="scope">The graph.</param>
    /// <param name="nodes">Nodes whose outputs are known, in order.</param>
    /// <param name="cost">Upper bound of the bytes an output takes as a constant.</param>
    public static FoldingPlan Choose(GraphScope scope, IReadOnlyList<Node> nodes, Func<Value, long> cost)
    {
        var plan = new FoldingPlan(scope, nodes, cost);
        foreach (var group in Groups(nodes))
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

    /// <summary>Connected groups, each in node order, ordered by their first node.</summary>
    private static IEnumerable<List<Node>> Groups(IReadOnlyList<Node> ordered)
    {
        var groupOf = new Dictionary<Node, List<Node>>();
        foreach (var node in ordered)
        {
            var group = new List<Node> { node };
            foreach (var input in node.Inputs)
            {
                if (input?.Producer is not { } producer || !groupOf.TryGetValue(producer, out var other) || other == group) continue;
                if (other.Count < group.Count) (group, other) = (other, group);
                foreach (var member in group) groupOf[member] = other;
                other.AddRange(group);
                group = other;
            }

            foreach (var member in group) groupOf[member] = group;
        }

        var position = new Dictionary<Node, int>();
        for (int i = 0; i < ordered.Count; i++) position[ordered[i]] = i;
        foreach (var group in groupOf.Values.Distinct().ToArray()) group.Sort((a, b) => position[a].CompareTo(position[b]));
        return groupOf.Values.Distinct().OrderBy(g => position[g[0]]);
    }

    private bool TryPart(Value value)
    {
        if (!tried.Add(value)) return chosen.Contains(value);
        if (TryChoose([value])) return true;
        foreach (var input in value.Producer!.Inputs)
            if (input?.Producer is { } producer && nodes.Contains(producer)) TryPart(input);
        return false;
    }

    /// <summary>Chooses the values if what they make superfluous is at least as large as they are.</summary>
    private bool TryChoose(IReadOnlyList<Value> values)
    {
        var fresh = values.Where(v => !chosen.Contains(v)).ToHashSet();
        if (fresh.Count == 0) return true;
        var dead = new HashSet<Node>();
        var constants = new HashSet<Value>();
        long saved = Collect(fresh, dead, constants);
        if (fresh.Sum(cost) > saved) return false;
        chosen.UnionWith(fresh);
        Values.AddRange(values.Where(fresh.Contains));
        Dead.UnionWith(dead);
        GoneConstants.UnionWith(constants);
        return true;
    }

    /// <summary>Finds the nodes and constants that go when <paramref name="fresh"/> become constants, and how many bytes they take at least.</summary>
    private long Collect(HashSet<Value> fresh, HashSet<Node> dead, HashSet<Value> constants)
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
                else if (!GoneConstants.Contains(input) && IsFree(input) && scope.TryGetFixed(input, out var tensor) && constants.Add(input))
                    saved += SerializedSize.AtLeast(input, tensor);
            }
        }

        return saved;

        bool IsFree(Value value)
        {
            if (fresh.Contains(value) || chosen.Contains(value)) return true;
            return !value.IsGraphOutput && !value.IsReferencedByName && value.Uses.All(u => dead.Contains(u.Node) || Dead.Contains(u.Node));
        }
    }
}
