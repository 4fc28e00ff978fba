using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Resizing and sampling grids.</summary>
internal static class ResamplingRules
{
    public static void Register(RuleTable table)
    {
        table.Add("Upsample", n => Scale(n, n.Attributes.Floats("scales") is { } s ? [.. s.Select(v => (double)v)] : LegacyScales(n)), until: 8);
        table.Add("Upsample", n => Scale(n, n.ContentOf(1)?.KnownNumbers), since: 9);
        table.Add("Resize", n => Scale(n, n.ContentOf(1)?.KnownNumbers), until: 10);
        table.Add("Resize", Resize, since: 11);
        table.Add("GridSample", GridSample);
        table.Add("GridSample", GridSample, domain: RuleTable.Microsoft);
        table.Add("AffineGrid", n =>
        {
            n.Set(0, n.ElementOf(0), default(Shape));
            var size = n.RequireContent(1).Sizes.ToList();
            n.Set(0, n.ElementOf(0), [size[0], .. size.Skip(2), size.Count - 2]);
        });
    }

    private static double[]? LegacyScales(NodeInference n) =>
        n.ShapeOf(0) is { Rank: 4 } && n.Attributes.Has("height_scale")
            ? [1, 1, n.Attributes.Float("height_scale", 1), n.Attributes.Float("width_scale", 1)]
            : null;

    private static void Scale(NodeInference n, double[]? scales)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0);
        if (scales is not null && scales.Length != x.Rank) throw n.Refuse($"{scales.Length} scales for an input of rank {x.Rank}");
        n.Set(0, n.ElementOf(0), x.Dimensions.Select((d, i) => scales is null ? default : Times(n, d, scales[i])));
    }

    /// <summary>⌊size·scale⌋, computed in single precision as ONNX Runtime does.</summary>
    private static Dimension Times(NodeInference n, Dimension size, double scale)
    {
        if (size.Size is { } known) return (long)((float)known * (float)scale);
        if (scale == Math.Floor(scale)) return n.Symbols.Multiply(size, (long)scale);
        double inverse = 1 / scale;
        return inverse == Math.Floor(inverse) && System.Numerics.BitOperations.IsPow2((long)inverse) ? n.Symbols.FloorDivide(size, (long)inverse) : default;
    }

    /// <summary>Inputs: X, regions, scales, sizes; one of the last two.</summary>
    private static void Resize(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0);
        int[] axes = [.. (n.Attributes.Ints("axes") ?? [.. Enumerable.Range(0, x.Rank).Select(i => (long)i)]).Select(a => n.Normalize(a, x.Rank))];
        var dimensions = x.Dimensions.ToArray();
        bool keepsRatio = n.Attributes.Text("keep_aspect_ratio_policy", "stretch") != "stretch";
        bool hasScales = n.HasInput(2) && !(n.HasInput(3) && n.ShapeOf(2) is { Rank: 1 } s && s[0].Size == 0);
        var sizes = hasScales ? null : n.ContentOf(3)?.Sizes.ToArray();
        double[]? scales = hasScales ? n.ContentOf(2)?.KnownNumbers : null;
        if ((sizes ?? (object?)scales) is not null && (sizes?.Length ?? scales!.Length) != axes.Length) throw n.Refuse("sizes or scales do not fit the axes");
        if (n.Attributes.Text("coordinate_transformation_mode", "") == "tf_crop_and_resize" && scales is not null) scales = null;
        for (int i = 0; i < axes.Length; i++)
        {
            dimensions[axes[i]] = sizes is not null && !keepsRatio ? sizes[i]
                : scales is not null ? Times(n, x[axes[i]], scales[i])
                : default;
        }

        if (sizes is not null && keepsRatio) KeepRatio(n, x, axes, sizes, dimensions);
        n.Set(0, n.ElementOf(0), dimensions);
    }

    private static void KeepRatio(NodeInference n, Shape x, int[] axes, Dimension[] sizes, Dimension[] dimensions)
    {
        if (axes.Any(a => x[a].Size is null or 0) || sizes.Any(s => !s.IsKnown)) return;
        var ratios = axes.Select((a, i) => (float)sizes[i].Size!.Value / x[a].Size!.Value);
        float ratio = n.Attributes.Text("keep_aspect_ratio_policy", "") == "not_larger" ? ratios.Min() : ratios.Max();
        for (int i = 0; i < axes.Length; i++) dimensions[axes[i]] = (long)MathF.Round(ratio * x[axes[i]].Size!.Value, MidpointRounding.AwayFromZero);
    }

    private static void GridSample(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0, 3);
        var grid = n.RequireShape(1, 3);
        n.Set(0, n.ElementOf(0), [x[0], x[1], .. grid.Dimensions.Skip(1).SkipLast(1)]);
    }
}
