using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Channels.Rules;

/// <summary>Operators on pictures and signals that treat each channel by itself.</summary>
internal static class WindowRules
{
    public static void PerChannel(Node node, ChannelTracer tracer)
    {
        var x = node.Inputs[0]!;
        foreach (var y in node.Outputs)
        {
            if (y is null) continue;
            tracer.Tie(x, 0, y, 0);
            tracer.Tie(x, 1, y, 1);
            for (int axis = 2; axis < tracer.RankOf(y); axis++) tracer.Pin(y, axis, $"{node.OpType} {node.DisplayName} runs over it");
        }

        for (int axis = 2; axis < tracer.RankOf(x); axis++) tracer.Pin(x, axis, $"{node.OpType} {node.DisplayName} runs over it");
        // MaxPool's second output holds positions in the flattened tensor.
        if (node.Output(1) is not null) tracer.PinNode(node, $"{node.OpType} {node.DisplayName} returns indices");
    }

    public static void Pad(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        int rank = tracer.RankOf(x);
        long[]? pads = ConstantIntegers.Of(node, "pads", 1) ?? (node.GetInts("paddings") is { } old ? [.. old] : null);
        long[]? axes = node.Input(3) is null ? null : ConstantIntegers.Of(node.Input(3));
        int[] padded = axes is null ? [.. Enumerable.Range(0, rank)] : [.. axes.Select(a => ConstantIntegers.Axis(a, rank))];
        if (pads is null || pads.Length != 2 * padded.Length || (node.Input(3) is not null && axes is null))
        {
            tracer.PinNode(node, $"what Pad {node.DisplayName} adds is not known");
            return;
        }

        for (int axis = 0; axis < rank; axis++)
        {
            int at = Array.IndexOf(padded, axis);
            Pass(tracer, x, y, axis, at < 0 || (pads[at] == 0 && pads[at + padded.Length] == 0), node);
        }
    }

    public static void Resize(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        var before = tracer.ShapeOf(x)!;
        var after = tracer.ShapeOf(y)!;
        bool crops = node.GetString("coordinate_transformation_mode", "") == "tf_crop_and_resize" || after.Rank != before.Rank;
        for (int axis = 0; axis < before.Rank; axis++)
        {
            bool same = !crops && before[axis].Size is { } size && size == after[axis].Size && IsUntouched(node, axis, before.Rank);
            Pass(tracer, x, y, axis, same, node);
        }
    }

    public static void DepthToSpace(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        int block = (int)node.GetInt("blocksize", 1);
        tracer.Tie(x, 0, y, 0);
        PinPositions(node, tracer);
        bool depthFirst = node.GetString("mode", "DCR") == "DCR";
        AddBlocks(tracer, x, y, block, depthFirst, node);
    }

    public static void SpaceToDepth(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        tracer.Tie(x, 0, y, 0);
        PinPositions(node, tracer);
        AddBlocks(tracer, y, x, (int)node.GetInt("blocksize", 1), blocksFirst: true, node);
    }

    /// <summary>Channels of <paramref name="deep"/> are block positions times channels of <paramref name="flat"/>.</summary>
    private static void AddBlocks(ChannelTracer tracer, Value deep, Value flat, int block, bool blocksFirst, Node node)
    {
        string reason = $"{node.OpType} {node.DisplayName} moves it into the picture";
        if (tracer.SizeOf(flat, 1) == 0 || tracer.SizeOf(deep, 1) != block * block * tracer.SizeOf(flat, 1))
        {
            tracer.Pin(deep, 1, reason);
            tracer.Pin(flat, 1, reason);
            return;
        }

        var blocks = tracer.NewPinnedFactor(block * block, reason);
        var channels = tracer.Factor(flat, 1);
        tracer.AddProduct(deep, 1, blocksFirst ? [blocks, channels] : [channels, blocks]);
    }

    private static void PinPositions(Node node, ChannelTracer tracer)
    {
        foreach (var value in new[] { node.Inputs[0]!, node.Outputs[0]! })
            for (int axis = 2; axis < tracer.RankOf(value); axis++) tracer.Pin(value, axis, $"{node.OpType} {node.DisplayName} moves it");
    }

    private static void Pass(ChannelTracer tracer, Value x, Value y, int axis, bool same, Node node)
    {
        if (same)
        {
            tracer.Tie(x, axis, y, axis);
            return;
        }

        tracer.Pin(x, axis, $"{node.OpType} {node.DisplayName} changes its size");
        tracer.Pin(y, axis, $"{node.OpType} {node.DisplayName} changes its size");
    }

    /// <summary>True if the axis is stated to keep its size in a way that removed channels do not disturb, or that can be rewritten.</summary>
    private static bool IsUntouched(Node node, int axis, int rank)
    {
        if (node.GetInts("axes") is { } axes && !axes.Select(a => ConstantIntegers.Axis(a, rank)).Contains(axis)) return true;
        // Sizes are stated anew; scales must be one.
        if (node.Input(3) is not null) return true;
        if (node.GetFloat("height_scale", 0) > 0) return axis < 2;
        var scales = node.TryGetAttribute("scales", out var old) && old.Holds(AttributeType.Floats) ? [.. old.Floats]
            : node.Input(node.Is("Resize") && node.Inputs.Count > 2 ? 2 : 1) is { } input && input.TryGetConstant(out var tensor) && tensor.DataType == DataType.Float ? tensor.AsSpan<float>().ToArray() : null;
        if (scales is null) return false;
        int at = node.GetInts("axes") is { } listed ? listed.Select(a => ConstantIntegers.Axis(a, rank)).ToList().IndexOf(axis) : axis;
        return at >= 0 && at < scales.Length && scales[at] == 1;
    }
}
