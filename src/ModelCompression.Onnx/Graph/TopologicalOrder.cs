namespace ModelCompression.Onnx.Graph;

/// <summary>Stable topological sorting of one graph's nodes.</summary>
internal static class TopologicalOrder
{
    /// <summary>Sorts in place; false when there is a cycle. Kahn's algorithm, always taking the ready node that came first.</summary>
    public static bool TrySort(List<Node> nodes)
    {
        var position = new Dictionary<Node, int>(nodes.Count);
        for (int i = 0; i < nodes.Count; i++) position[nodes[i]] = i;
        var followers = new List<int>[nodes.Count];
        var waiting = new int[nodes.Count];
        bool sorted = true;
        for (int i = 0; i < nodes.Count; i++)
        {
            foreach (int before in Predecessors(nodes[i], position))
            {
                (followers[before] ??= []).Add(i);
                waiting[i]++;
                sorted &= before < i;
            }
        }

        if (sorted) return true;
        var ready = new PriorityQueue<int, int>();
        for (int i = 0; i < nodes.Count; i++)
            if (waiting[i] == 0) ready.Enqueue(i, i);
        var order = new List<Node>(nodes.Count);
        while (ready.TryDequeue(out int next, out _))
        {
            order.Add(nodes[next]);
            foreach (int follower in followers[next] ?? [])
                if (--waiting[follower] == 0) ready.Enqueue(follower, follower);
        }

        if (order.Count != nodes.Count) return false;
        nodes.Clear();
        nodes.AddRange(order);
        return true;
    }

    /// <summary>Nodes that form a cycle, each consuming something of the one before it; empty when there is none.</summary>
    public static IReadOnlyList<Node> FindCycle(IReadOnlyList<Node> nodes)
    {
        var position = new Dictionary<Node, int>(nodes.Count);
        for (int i = 0; i < nodes.Count; i++) position[nodes[i]] = i;
        var predecessors = nodes.Select(n => Predecessors(n, position)).ToArray();
        var isDone = new bool[nodes.Count];
        // Nodes whose predecessors are all done are done; what is left when nothing changes leads back into a cycle.
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int i = 0; i < nodes.Count; i++)
                if (!isDone[i] && predecessors[i].All(p => isDone[p])) changed = isDone[i] = true;
        }

        int at = Array.IndexOf(isDone, false);
        var path = new List<int>();
        for (; at >= 0 && !path.Contains(at); at = predecessors[at].Where(p => !isDone[p]).Min()) path.Add(at);
        if (at < 0) return [];
        var cycle = path[path.IndexOf(at)..];
        cycle.Reverse();
        return [.. cycle.Select(i => nodes[i])];
    }

    /// <summary>Positions of the nodes whose outputs <paramref name="node"/> consumes, itself or in its subgraphs.</summary>
    private static HashSet<int> Predecessors(Node node, Dictionary<Node, int> position)
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
