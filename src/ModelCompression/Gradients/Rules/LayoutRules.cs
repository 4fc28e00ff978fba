using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients.Rules;

/// <summary>Operators that move elements without changing them: the gradient moves back.</summary>
internal static class LayoutRules
{
    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules)
    {
        foreach (string view in new[] { "Reshape", "Flatten", "Squeeze", "Unsqueeze" }) ArithmeticRules.Unary(rules, view, (n, dy) => n.Emit.Reshape(dy, n.Dims(n.X())));
        ArithmeticRules.Unary(rules, "Identity", (_, dy) => dy);
        ArithmeticRules.Unary(rules, "Transpose", Transpose);
        ArithmeticRules.Unary(rules, "Expand", (n, dy) => n.Emit.SumTo(dy, n.Dims(n.Y()), n.Dims(n.X())));
        ArithmeticRules.Unary(rules, "DepthToSpace", (n, dy) => Blocks(n, dy, toDepth: true));
        ArithmeticRules.Unary(rules, "SpaceToDepth", (n, dy) => Blocks(n, dy, toDepth: false));
        rules["Dropout"] = Dropout;
        rules["Cast"] = Cast;
        rules["Concat"] = Concat;
        rules["Split"] = Split;
        rules["Tile"] = Tile;
    }

    private static Value Transpose(NodeGradient n, Value dy)
    {
        int rank = n.Dims(n.X()).Length;
        int[] perm = [.. (n.Attributes.Ints("perm") ?? [.. Enumerable.Range(0, rank).Reverse().Select(i => (long)i)]).Select(p => (int)p)];
        var inverse = new int[rank];
        for (int i = 0; i < rank; i++) inverse[perm[i]] = i;
        return n.Emit.Transpose(dy, inverse);
    }

    private static Value Blocks(NodeGradient n, Value dy, bool toDepth)
    {
        long size = n.Attributes.Int("blocksize", 1);
        if (!toDepth) return n.Emit.Op("DepthToSpace", [dy], NodeAttribute.Of("blocksize", size));
        if (n.Attributes.Text("mode", "DCR") == "DCR") return n.Emit.Op("SpaceToDepth", [dy], NodeAttribute.Of("blocksize", size));
        long[] x = n.Dims(n.X());
        var parts = n.Emit.Reshape(dy, x[0], x[1] / (size * size), x[2], size, x[3], size);
        return n.Emit.Reshape(n.Emit.Transpose(parts, 0, 1, 3, 5, 2, 4), x);
    }

    private static void Dropout(NodeGradient n)
    {
        if (n.Node.Input(2) is { } training && !(training.TryGetConstant(out var flag) && flag.AsSpan<byte>() is [0])) throw n.Refuse("it is in training mode");
        n.GiveIfNeeded(0, () => n.DY);
    }

    private static void Cast(NodeGradient n)
    {
        // Other types are not asked for here: weights are binary32, and gradients through integers would be a silent zero.
        if (n.Attributes.Int("to", 0) != (long)DataType.Float || n.X().TensorType is { ElementType: not DataType.Float }) throw n.Refuse("it is no conversion between binary32 values");
        n.GiveIfNeeded(0, () => n.DY);
    }

    private static void Concat(NodeGradient n)
    {
        int axis = n.Axis("axis", 1, n.Dims(n.Y()).Length);
        long at = 0;
        for (int i = 0; i < n.Node.Inputs.Count; i++)
        {
            long size = n.Dims(n.X(i))[axis], start = at;
            n.GiveIfNeeded(i, () => n.Emit.Slice(n.DY, [start], [start + size], [axis]));
            at += size;
        }
    }

    private static void Split(NodeGradient n)
    {
        int axis = n.Axis("axis", 0, n.Dims(n.X()).Length);
        var parts = n.Node.Outputs.Select((o, i) => n.DYOrNull(i) ?? n.Emit.Zeros(n.Dims(o ?? throw n.Refuse("an output is left out")))).ToList();
        n.GiveIfNeeded(0, () => n.Emit.Concat(parts, axis));
    }

    /// <summary>∂x is the sum over all copies.</summary>
    private static void Tile(NodeGradient n)
    {
        long[] x = n.Dims(n.X()), y = n.Dims(n.Y());
        long[] split = [.. x.SelectMany((d, i) => new[] { y[i] / d, d })];
        n.GiveIfNeeded(0, () => n.Emit.Reshape(n.Emit.ReduceSum(n.Emit.Reshape(n.DY, split), [.. Enumerable.Range(0, x.Length).Select(i => 2 * i)]), x));
    }
}
