using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary><c>Slice</c> in its attribute (opset 1–9) and input (10 and later) forms.</summary>
internal static class SlicingRules
{
    public static void Register(RuleTable table)
    {
        table.Add("Slice", SliceByAttributes, until: 9);
        table.Add("Slice", SliceByInputs, since: 10);
        table.Add("DynamicSlice", SliceByInputs);
    }

    private static void SliceByAttributes(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0);
        var starts = n.Attributes.Ints("starts") ?? throw n.Refuse("starts are missing");
        var ends = n.Attributes.Ints("ends") ?? throw n.Refuse("ends are missing");
        var axes = n.Attributes.Ints("axes") ?? [.. Enumerable.Range(0, starts.Count).Select(i => (long)i)];
        if (starts.Count != ends.Count || starts.Count != axes.Count) throw n.Refuse("starts, ends and axes differ in length");
        var dimensions = x.Dimensions.ToArray();
        for (int i = 0; i < axes.Count; i++)
        {
            int axis = n.Normalize(axes[i], x.Rank);
            dimensions[axis] = Size(n, x[axis], starts[i], ends[i], 1);
        }

        n.Set(0, n.ElementOf(0), dimensions);
    }

    private static void SliceByInputs(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0);
        var starts = n.ContentOf(1)?.Integers.ToArray();
        var ends = n.ContentOf(2)?.Integers.ToArray();
        int? count = starts?.Length ?? ends?.Length ?? (int?)n.ShapeOf(1)?[0].Size;
        long[]? axes = n.HasInput(3) ? n.ContentOf(3)?.KnownIntegers : count is { } c ? [.. Enumerable.Range(0, c).Select(i => (long)i)] : null;
        Amount[]? steps = n.HasInput(4) ? n.ContentOf(4)?.Integers.ToArray() : null;
        if (axes is null)
        {
            n.Set(0, n.ElementOf(0), new Dimension[x.Rank]);
            return;
        }

        var dimensions = x.Dimensions.ToArray();
        for (int i = 0; i < axes.Length; i++)
        {
            int axis = n.Normalize(axes[i], x.Rank);
            var step = steps is null ? n.HasInput(4) ? default : (Amount)1 : i < steps.Length ? steps[i] : default;
            bool isKnown = starts is not null && ends is not null && i < starts.Length && i < ends.Length;
            dimensions[axis] = isKnown ? Size(n, x[axis], starts![i], ends![i], step) : default;
        }

        n.Set(0, n.ElementOf(0), dimensions);
    }

    /// <summary>Number of elements a slice takes from an axis; unknown where the formula would need a case distinction.</summary>
    private static Amount Size(NodeInference n, Dimension size, Amount start, Amount end, Amount step)
    {
        if (step.Size is not { } by || by == 0) return default;
        if (size.Size == 0) return 0;
        if (size.Size is { } known && start.Size is { } from && end.Size is { } to)
        {
            (long first, long last) = Bounds(known, from, to, by);
            long span = by > 0 ? last - first : first - last;
            long stride = Math.Abs(by);
            return span <= 0 ? 0 : ((span - 1) / stride) + 1;
        }

        if (by < 0) return start.Size is -1 && end.Size <= -int.MaxValue ? n.Symbols.CeilingDivide(size, -by) : default;
        var begin = Clamp(n, start, size);
        var stop = Clamp(n, end, size);
        return n.Symbols.IsNonNegative(n.Symbols.Subtract(stop, begin)) ? n.Symbols.CeilingDivide(n.Symbols.Subtract(stop, begin), by) : default;
    }

    private static (long First, long Last) Bounds(long size, long start, long end, long step)
    {
        long first = start < 0 ? start + size : start;
        long last = end < 0 ? end <= long.MinValue + size ? long.MinValue : end + size : end;
        return step > 0
            ? (Math.Clamp(first, 0, size), Math.Clamp(last, 0, size))
            : (Math.Clamp(first, 0, size - 1), Math.Clamp(last, -1, size - 1));
    }

    /// <summary>A position brought into [0, size] where that can be shown; otherwise unknown.</summary>
    private static Amount Clamp(NodeInference n, Amount position, Amount size)
    {
        if (position.Size is { } known)
        {
            if (known >= int.MaxValue) return size;
            if (known == 0) return 0;
            if (known < 0) return known <= -int.MaxValue ? 0 : n.Symbols.Max(0, n.Symbols.Add(size, known)) is { IsStated: true } max ? max : default;
            return n.Symbols.Min(known, size);
        }

        // size − k for a known k ≥ 0, or the size itself.
        if (n.Symbols.Difference(size, position) is { } rest) return rest <= 0 ? size : n.Symbols.IsNonNegative(position) ? position : default;
        return n.Symbols.IsNonNegative(position) ? n.Symbols.Min(position, size) : default;
    }
}
