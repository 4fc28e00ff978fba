using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Channels.Rules;

/// <summary>Operators that only move elements: positions are followed one by one.</summary>
internal static class MovementRules
{
    public static void Concat(Node node, ChannelTracer tracer)
    {
        var y = node.Outputs[0]!;
        int rank = tracer.RankOf(y);
        int joined = ConstantIntegers.Axis(node.GetInt("axis", 1), rank);
        foreach (var x in node.Inputs)
            for (int axis = 0; axis < rank; axis++)
                if (axis != joined) tracer.Tie(y, axis, x!, axis);
        TieParts(tracer, y, joined, [.. node.Inputs.Select(i => i!)], $"sizes around Concat {node.DisplayName} are not known");
    }

    public static void Split(Node node, ChannelTracer tracer)
    {
        var x = node.Inputs[0]!;
        int rank = tracer.RankOf(x);
        int cut = ConstantIntegers.Axis(node.GetInt("axis", 0), rank);
        if (node.Outputs.Any(o => o is null))
        {
            tracer.PinNode(node, $"Split {node.DisplayName} omits an output");
            return;
        }

        foreach (var y in node.Outputs)
            for (int axis = 0; axis < rank; axis++)
                if (axis != cut) tracer.Tie(x, axis, y!, axis);
        TieParts(tracer, x, cut, [.. node.Outputs.Select(o => o!)], $"sizes around Split {node.DisplayName} are not known");
    }

    public static void Slice(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        int rank = tracer.RankOf(x);
        if (SliceBounds.Read(node, rank) is not { } bounds)
        {
            tracer.PinNode(node, $"the bounds of Slice {node.DisplayName} are not stored");
            return;
        }

        for (int axis = 0; axis < rank; axis++)
        {
            if (!bounds.TryGetValue(axis, out var range)) tracer.Tie(x, axis, y, axis);
            else if (range.Step == 1 && tracer.SizeOf(x, axis) is > 0 and var size && tracer.SizeOf(y, axis) is > 0 and var count && SliceBounds.Clamp(range, size) is var (first, last) && last - first == count)
                tracer.TieRange(tracer.Start(x, axis) + first, tracer.Start(y, axis), count);
            else
            {
                tracer.Pin(x, axis, $"Slice {node.DisplayName} picks single positions of it");
                tracer.Pin(y, axis, $"Slice {node.DisplayName} picks single positions of it");
            }
        }
    }

    public static void Gather(Node node, ChannelTracer tracer)
    {
        var (x, indices, y) = (node.Inputs[0]!, node.Inputs[1]!, node.Outputs[0]!);
        int rank = tracer.RankOf(x);
        int picked = ConstantIntegers.Axis(node.GetInt("axis", 0), rank);
        int inner = tracer.RankOf(indices);
        for (int axis = 0; axis < rank; axis++)
            if (axis != picked) tracer.Tie(x, axis, y, axis < picked ? axis : axis + inner - 1);
        int size = tracer.SizeOf(x, picked);
        if (inner == 1 && size > 0 && tracer.SizeOf(y, picked) > 0 && ConstantIntegers.Of(indices) is { } list)
        {
            for (int i = 0; i < list.Length; i++) tracer.TieAt(x, picked, ConstantIntegers.Axis(list[i], size), y, picked, i);
            return;
        }

        tracer.Pin(x, picked, $"Gather {node.DisplayName} picks single positions of it");
        for (int axis = 0; axis < inner; axis++) tracer.Tie(indices, axis, y, picked + axis);
    }

    public static void Transpose(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        int rank = tracer.RankOf(x);
        var order = node.GetInts("perm");
        for (int axis = 0; axis < rank; axis++) tracer.Tie(x, order is null ? rank - 1 - axis : (int)order[axis], y, axis);
    }

    public static void Squeeze(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        int rank = tracer.RankOf(x);
        var stated = ConstantIntegers.Of(node, "axes", 1);
        var shape = tracer.ShapeOf(x)!;
        var gone = stated is not null ? stated.Select(a => ConstantIntegers.Axis(a, rank)).ToHashSet() : [.. Enumerable.Range(0, rank).Where(a => shape[a].Size == 1)];
        if ((stated is null && node.Input(1) is not null) || rank - gone.Count != tracer.RankOf(y)) tracer.PinNode(node, $"the axes of Squeeze {node.DisplayName} are not known");
        else TieRemaining(tracer, x, y, gone);
    }

    public static void Unsqueeze(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        int rank = tracer.RankOf(y);
        if (ConstantIntegers.Of(node, "axes", 1) is { } axes) TieRemaining(tracer, y, x, [.. axes.Select(a => ConstantIntegers.Axis(a, rank))]);
        else tracer.PinNode(node, $"the axes of Unsqueeze {node.DisplayName} are not known");
    }

    public static void Tile(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        var repeats = ConstantIntegers.Of(node.Input(1));
        for (int axis = 0; axis < tracer.RankOf(x); axis++)
        {
            if (repeats?[axis] == 1) tracer.Tie(x, axis, y, axis);
            else
            {
                tracer.Pin(x, axis, $"Tile {node.DisplayName} repeats it");
                tracer.Pin(y, axis, $"Tile {node.DisplayName} repeats it");
            }
        }
    }

    private static void TieRemaining(ChannelTracer tracer, Value larger, Value smaller, HashSet<int> gone)
    {
        int target = 0;
        for (int axis = 0; axis < tracer.RankOf(larger); axis++)
            if (!gone.Contains(axis)) tracer.Tie(larger, axis, smaller, target++);
    }

    /// <summary>Ties consecutive ranges of <paramref name="whole"/> to the parts.</summary>
    private static void TieParts(ChannelTracer tracer, Value whole, int axis, IReadOnlyList<Value> parts, string reason)
    {
        var sizes = parts.Select(p => tracer.ShapeOf(p)![axis].Size).ToArray();
        if (tracer.SizeOf(whole, axis) == 0 || sizes.Any(s => s is null) || sizes.Sum() != tracer.SizeOf(whole, axis))
        {
            tracer.Pin(whole, axis, reason);
            foreach (var part in parts) tracer.Pin(part, axis, reason);
            return;
        }

        int at = tracer.Start(whole, axis);
        for (int p = 0; p < parts.Count; p++)
        {
            int size = (int)sizes[p]!.Value;
            if (tracer.SizeOf(parts[p], axis) > 0) tracer.TieRange(at, tracer.Start(parts[p], axis), size);
            else
                for (int i = 0; i < size; i++) tracer.Labels.Pin(at + i, "a layer keeps its only channel");
            at += size;
        }
    }
}
