using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Channels.Rules;

/// <summary>Operators that regroup axes, and those that read shapes.</summary>
internal static class ReshapeRules
{
    /// <summary>First opset with <c>Where</c>.</summary>
    private const int OverridesFrom = 9;

    public static void Reshape(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        if (tracer.ShapeOf(x)!.Dimensions.Concat(tracer.ShapeOf(y)!.Dimensions).Any(d => d.Size == 0) || !CanBeStated(node, tracer))
        {
            tracer.PinAll(x, $"the shape that Reshape {node.DisplayName} makes is computed");
            tracer.PinAll(y, $"the shape that Reshape {node.DisplayName} makes is computed");
            return;
        }

        Regroup(tracer, x, y, $"Reshape {node.DisplayName} mixes it with other axes");
    }

    public static void Flatten(Node node, ChannelTracer tracer) =>
        Regroup(tracer, node.Inputs[0]!, node.Outputs[0]!, $"Flatten {node.DisplayName} mixes it with other axes");

    /// <summary>Axes that are repeated can have any size, since the target shape is stated anew.</summary>
    public static void Expand(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        var before = tracer.ShapeOf(x)!;
        for (int axis = 1; axis <= tracer.RankOf(y); axis++)
        {
            if (axis <= before.Rank && before[-axis].Size != 1) tracer.Tie(x, -axis, y, -axis);
            if (!CanBeStated(node, tracer)) tracer.Pin(y, -axis, $"the shape that Expand {node.DisplayName} makes is computed");
        }
    }

    /// <summary>All elements are equal, so any can go.</summary>
    public static void ConstantOfShape(Node node, ChannelTracer tracer)
    {
        if (!CanBeStated(node, tracer)) tracer.PinNode(node, $"the shape that ConstantOfShape {node.DisplayName} makes is computed");
    }

    /// <summary>Sizes that are computed with must not change; those that become part of a target shape, or are dropped at once, may.</summary>
    public static void ShapeOf(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        tracer.PinAll(y, "sizes stay");
        if (tracer.Opset >= OverridesFrom && ShapeFlow.Targets(y) is not null) return;
        int rank = tracer.RankOf(x);
        int start = Math.Clamp(ConstantIntegers.Axis(node.GetInt("start", 0), rank), 0, rank);
        int end = Math.Clamp(ConstantIntegers.Axis(node.GetInt("end", rank), rank), start, rank);
        foreach (int axis in y.IsGraphOutput ? Enumerable.Range(start, end - start) : y.Uses.SelectMany(u => Reads(u, end - start)).Select(a => a + start).Where(a => a >= 0 && a < rank))
            tracer.Pin(x, axis, $"Shape {node.DisplayName} reads its size");
    }

    /// <summary>True if the target shape is stored, or computed where single sizes of it can be replaced (by <c>Where</c>).</summary>
    private static bool CanBeStated(Node node, ChannelTracer tracer) =>
        tracer.Opset >= OverridesFrom || ConstantIntegers.Of(node, "shape", ShapeFlow.TargetInput(node)) is not null;

    private static IEnumerable<int> Reads(Use use, int length)
    {
        if (use.Index == 0 && use.Node.Is("Gather") && ConstantIntegers.Of(use.Node.Input(1)) is { } picked) return picked.Select(i => ConstantIntegers.Axis(i, length));
        if (use.Index == 0 && use.Node.Is("Slice") && SliceBounds.Read(use.Node, 1) is { } bounds && bounds.TryGetValue(0, out var range) && range.Step == 1)
        {
            var (first, last) = SliceBounds.Clamp(range, length);
            return Enumerable.Range(first, last - first);
        }

        return Enumerable.Range(0, length);
    }

    private static void Regroup(ChannelTracer tracer, Value x, Value y, string reason)
    {
        var grouping = AxisGrouping.Find(tracer.ShapeOf(x)!, tracer.ShapeOf(y)!);
        var factors = grouping.Pieces.Select(p => p.IsCertain ? tracer.NewFactor(p.Size) : tracer.NewPinnedFactor(p.Size, reason)).ToArray();
        Add(x, tracer.RankOf(x), grouping.OfInput);
        Add(y, tracer.RankOf(y), grouping.OfOutput);

        void Add(Value value, int rank, IReadOnlyList<IReadOnlyList<int>> pieces)
        {
            for (int axis = 0; axis < rank; axis++)
            {
                int size = tracer.SizeOf(value, axis);
                if (size > 0 && pieces[axis].Aggregate(1L, (product, p) => product * factors[p].Size) != size) tracer.Pin(value, axis, reason);
                else if (pieces[axis].Count == 1 && size > 0) tracer.TieRange(tracer.Start(value, axis), factors[pieces[axis][0]].Start, size);
                else if (size > 0) tracer.AddProduct(value, axis, [.. pieces[axis].Select(p => factors[p])]);
                else foreach (int p in pieces[axis]) tracer.PinFactor(factors[p], reason);
            }
        }
    }
}
