using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Simplification;

/// <summary>Divides nodes into groups that can be judged one by one: those connected by values, or by a large constant that goes only with all its users.</summary>
internal static class FoldingGroups
{
    /// <summary>Groups, each in the given order, ordered by their first node.</summary>
    public static List<List<Node>> Of(IReadOnlyList<Node> nodes)
    {
        int[] parent = [.. Enumerable.Range(0, nodes.Count)];
        var firstUser = new Dictionary<Value, int>();
        for (int i = 0; i < nodes.Count; i++)
        {
            foreach (var output in nodes[i].Outputs)
                if (output is not null) firstUser[output] = i;
            foreach (var input in nodes[i].Inputs)
            {
                if (input is null || (input.TryGetConstant(out var tensor) && tensor.ByteLength < ShareDuplicateInitializers.MinOuterByteLength)) continue;
                if (!firstUser.TryAdd(input, i)) Join(firstUser[input], i);
            }
        }

        var groups = new Dictionary<int, List<Node>>();
        for (int i = 0; i < nodes.Count; i++)
        {
            if (!groups.TryGetValue(Find(i), out var group)) groups.Add(Find(i), group = []);
            group.Add(nodes[i]);
        }

        return [.. groups.OrderBy(g => g.Key).Select(g => g.Value)];

        int Find(int i)
        {
            while (parent[i] != i) i = parent[i] = parent[parent[i]];
            return i;
        }

        // The smaller index stays the root, so that it is the group's first node.
        void Join(int a, int b) => parent[Math.Max(Find(a), Find(b))] = Math.Min(Find(a), Find(b));
    }
}
