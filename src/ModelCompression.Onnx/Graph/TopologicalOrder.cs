namespace ModelCompression.Onnx.Graph;

/// <summary>Stable topological sorting of one graph's nodes.</summary>
internal static class TopologicalOrder
{
    /// <summary>Sorts in place; false when there is a cycle. Kahn's algorithm, always taking the ready node that came first.</summary>
    public static bool TrySort(List<Node> nodes)
    {
        var predecessors = FindPredecessors(nodes);
        if (IsSorted(predecessors)) return true;
        var order = Order(predecessors);
        if (order.Count != nodes.Count) return false;
        var sorted = order.ConvertAll(i => nodes[i]);
        nodes.Clear();
        nodes.AddRange(sorted);
        return true;
    }

    /// <summary>Nodes that form a cycle, each consuming something of the one before it; empty when there is none.</summary>
    public static IReadOnlyList<Node> FindCycle(IReadOnlyList<Node> nodes)
    {
        var predecessors = FindPredecessors(nodes);
        var isStuck = Enumerable.Repeat(true, nodes.Count).ToArray();
        foreach (int i in Order(predecessors)) isStuck[i] = false;
        int at = Array.IndexOf(isStuck, true);
        if (at < 0) return [];
        // Every stuck node waits for another stuck one, so walking backwards must meet itself.
        var visited = new Dictionary<int, int>();
        var path = new List<int>();
        for (; visited.TryAdd(at, path.Count); at = predecessors[at].Where(p => isStuck[p]).Min()) path.Add(at);
        var cycle = path[visited[at]..];
        cycle.Reverse();
        return cycle.ConvertAll(i => nodes[i]);
    }

    private static bool IsSorted(HashSet<int>[] predecessors)
    {
        for (int i = 0; i < predecessors.Length; i++)
            if (predecessors[i].Any(before => before >= i)) return false;
        return true;
    }

    /// <summary>Positions in execution order; those in and behind a cycle are missing.</summary>
    private static List<int> Order(HashSet<int>[] predecessors)
    {
        var followers = new List<int>[predecessors.Length];
        var waiting = new int[predecessors.Length];
        var ready = new PriorityQueue<int, int>();
        for (int i = 0; i < predecessors.Length; i++)
        {
            waiting[i] = predecessors[i].Count;
            foreach (int before in predecessors[i]) (followers[before] ??= []).Add(i);
            if (waiting[i] == 0) ready.Enqueue(i, i);
        }

        var order = new List<int>(predecessors.Length);
        while (ready.TryDequeue(out int next, out _))
        {
            order.Add(next);
            foreach (int follower in followers[next] ?? [])
                if (--waiting[follower] == 0) ready.Enqueue(follower, follower);
        }

        return order;
    }

    private static HashSet<int>[] FindPredecessors(IReadOnlyList<Node> nodes)
    {
        var position = new Dictionary<Node, int>(nodes.Count);
        for (int i = 0; i < nodes.Count; i++) position[nodes[i]] = i;
        return [.. nodes.Select(n => FindPredecessors(n, position))];
    }

    /// <summary>Positions of the nodes whose outputs <paramref name="node"/> consumes, itself or in its subgraphs.</summary>
    private static HashSet<int> FindPredecessors(Node node, Dictionary<Node, int> position)
    {
        var found = new HashSet<int>();
        Collect(node);
        return found;

        void Collect(Node at)
        {
            foreach (var input in at.Inputs)
                Visit(input);
            foreach (var subgraph in at.Subgraphs)
            {
                foreach (var inner in subgraph.Nodes) Collect(inner);
                foreach (var output in subgraph.Outputs) Visit(output);
            }
        }

        void Visit(Value? value)
        {
            if (value?.Producer is { } producer && position.TryGetValue(producer, out int index)) found.Add(index);
        }
    }
}
