using ModelCompression.Onnx.Graph;

namespace ModelCompression.Runtime.Synthetic;

/// <summary>Follows a graph input forwards to the operators that say what it must look like. Captured uses in subgraphs are followed too.</summary>
internal static class ValueFlow
{
    private const int MaxVisits = 2000;

    private static readonly HashSet<string> Elementwise = new(StringComparer.Ordinal)
    {
        "Identity", "Cast", "CastLike", "Relu", "LeakyRelu", "Clip", "Neg", "Abs", "Sqrt", "Log", "Exp", "Sigmoid", "Tanh", "Dropout", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear",
        "Sub", "Mul", "Div", "Add", "Pow", "Max", "Min", "PRelu", "LayerNormalization", "BatchNormalization", "InstanceNormalization",
    };

    private static readonly HashSet<string> KeepsIndices = new(StringComparer.Ordinal)
    {
        "Identity", "Cast", "CastLike", "Unsqueeze", "Squeeze", "Reshape", "Flatten", "Transpose", "Slice", "Concat", "Expand", "Tile", "Split", "Gather", "GatherElements", "GatherND",
        "Where", "Clip", "Pad", "Min", "Max",
    };

    /// <summary>Every use that axis <paramref name="axis"/> of <paramref name="input"/> reaches unchanged in position, with the axis there.</summary>
    /// <param name="input">Where to start.</param>
    /// <param name="axis">Axis of the input, not negative.</param>
    /// <param name="rank">Rank of the input.</param>
    public static IEnumerable<(Use Use, int Axis)> FollowAxis(Value input, int axis, int rank)
    {
        var seen = new HashSet<(Value, int)> { (input, axis) };
        var queue = new Queue<(Value Value, int Axis)>(seen.Select(s => (s.Item1, s.Item2)));
        for (int visits = 0; queue.Count > 0 && visits < MaxVisits; visits++)
        {
            var (value, at) = queue.Dequeue();
            foreach (var use in value.Uses)
            {
                yield return (use, at);
                int? next = AxisBehind(use, at, rank);
                if (next is { } n && use.Node.Output() is { } output && seen.Add((output, n))) queue.Enqueue((output, n));
            }
        }
    }

    /// <summary>Every use that takes elements of <paramref name="input"/> as they are, possibly in another shape or type.</summary>
    public static IEnumerable<Use> FollowElements(Value input)
    {
        var seen = new HashSet<Value> { input };
        var queue = new Queue<Value>(seen);
        for (int visits = 0; queue.Count > 0 && visits < MaxVisits; visits++)
        {
            foreach (var use in queue.Dequeue().Uses)
            {
                yield return use;
                if (!KeepsElements(use)) continue;
                foreach (var output in use.Node.Outputs)
                    if (output is not null && seen.Add(output)) queue.Enqueue(output);
            }
        }
    }

    private static int? AxisBehind(Use use, int axis, int rank)
    {
        var node = use.Node;
        if (node.Is("Transpose") && use.Index == 0)
        {
            var perm = node.GetInts("perm") ?? [.. Enumerable.Range(0, rank).Reverse().Select(i => (long)i)];
            for (int i = 0; i < perm.Count; i++)
                if (perm[i] == axis) return i;
            return null;
        }

        return use.Index == 0 && node.IsOnnxDomain && Elementwise.Contains(node.OpType) ? axis : null;
    }

    private static bool KeepsElements(Use use) => use.Node.IsOnnxDomain && KeepsIndices.Contains(use.Node.OpType) && use.Node.OpType switch
    {
        "Concat" or "Min" or "Max" => true,
        "Where" => use.Index > 0,
        _ => use.Index == 0,
    };
}
