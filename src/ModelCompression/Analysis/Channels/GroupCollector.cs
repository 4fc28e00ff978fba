using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Channels;

/// <summary>Turns sets of positions into groups of units: sets with positions on the same axes are one group.</summary>
internal sealed class GroupCollector(ChannelTracer tracer)
{
    /// <summary>Sets in the order of their first position, each with its places.</summary>
    private readonly List<List<(int Axis, int Position)>> units = [];

    public IReadOnlyList<ChannelGroup> Collect()
    {
        CollectUnits();
        var groups = new Dictionary<int[], List<List<(int Axis, int Position)>>>(new SequenceComparer());
        var order = new List<int[]>();
        foreach (var unit in units)
        {
            int[] signature = [.. unit.Select(p => p.Axis)];
            if (!groups.TryGetValue(signature, out var members))
            {
                groups.Add(signature, members = []);
                order.Add(signature);
            }

            members.Add(unit);
        }

        return [.. order.Select(signature => Group(signature, groups[signature])).OfType<ChannelGroup>()];
    }

    private void CollectUnits()
    {
        var byRoot = new Dictionary<int, List<(int, int)>>();
        for (int axis = 0; axis < tracer.Axes.Count; axis++)
        {
            var (_, _, size, start) = tracer.Axes[axis];
            for (int i = 0; i < size; i++)
            {
                int root = tracer.Labels.Find(start + i);
                if (tracer.Labels.WhyPinned(root) is not null) continue;
                if (!byRoot.TryGetValue(root, out var unit))
                {
                    byRoot.Add(root, unit = []);
                    units.Add(unit);
                }

                unit.Add((axis, i));
            }
        }
    }

    /// <summary>A group, or null when no weight makes its channels.</summary>
    private ChannelGroup? Group(int[] signature, List<List<(int Axis, int Position)>> members)
    {
        var slots = new List<ChannelSlot>();
        bool normalized = false;
        for (int first = 0; first < signature.Length;)
        {
            int last = first;
            while (last < signature.Length && signature[last] == signature[first]) last++;
            var (value, axis, _, _) = tracer.Axes[signature[first]];
            int count = last - first;
            var positions = new int[members.Count * count];
            for (int unit = 0; unit < members.Count; unit++)
                for (int i = 0; i < count; i++) positions[(unit * count) + i] = members[unit][first + i].Position;
            slots.Add(new(value, axis, RoleOf(value, axis), count, positions));
            normalized |= tracer.Normalized.Contains((value, axis));
            first = last;
        }

        return slots.Exists(s => s.Role == ChannelRole.Producer) ? new(members.Count, slots, normalized) : null;
    }

    private static ChannelRole RoleOf(Value value, int axis)
    {
        if (!value.TryGetConstant(out var tensor)) return ChannelRole.Activation;
        foreach (var use in value.Uses)
        {
            if (!WeightRoles.TryClassify(use.Node, use.Index, tensor, out var weight)) continue;
            bool isEmbedding = weight.Role == WeightRole.Embedding;
            if ((axis == weight.ReductionAxis) == isEmbedding && (isEmbedding || weight.ChannelAxes.Contains(axis))) return ChannelRole.Producer;
            if (axis == weight.ReductionAxis) return ChannelRole.Consumer;
        }

        return ChannelRole.Parameter;
    }

    private sealed class SequenceComparer : IEqualityComparer<int[]>
    {
        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(int[] obj)
        {
            var hash = new HashCode();
            foreach (int i in obj) hash.Add(i);
            return hash.ToHashCode();
        }
    }
}
