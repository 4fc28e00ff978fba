using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Operators that move elements around: transposition, tiling, padding, blocks.</summary>
internal static class LayoutRules
{
    public static void Register(RuleTable table)
    {
        table.Add("Transpose", Transpose);
        table.Add("Expand", Expand);
        table.Add("Tile", Tile, since: 6);
        table.Add("Pad", Pad);
        table.Add("Pad", Pad, domain: RuleTable.Microsoft);
        table.Add("DepthToSpace", n => MoveBlocks(n, toSpace: true));
        table.Add("SpaceToDepth", n => MoveBlocks(n, toSpace: false));
        table.Add("CenterCropPad", CenterCropPad);
        table.Add("Crop", Crop);
    }

    private static void Transpose(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0);
        var permutation = n.Attributes.Ints("perm") is { Count: > 0 } stated ? stated : [.. Enumerable.Range(0, x.Rank).Reverse().Select(i => (long)i)];
        if (permutation.Count != x.Rank) throw n.Refuse($"perm has {permutation.Count} entries for an input of rank {x.Rank}");
        n.Set(0, n.ElementOf(0), permutation.Select(axis => x[n.Normalize(axis, x.Rank)]));
    }

    private static void Expand(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0);
        if (n.ContentOf(1) is { } target) n.Set(0, n.ElementOf(0), Broadcasting.Combine(n, x, new Shape(target.Sizes)));
        else if (n.ShapeOf(1) is { Rank: 1 } shape && shape[0].Size is { } rank and <= 64) n.Set(0, n.ElementOf(0), Broadcasting.Combine(n, x, new Shape(new Dimension[rank])));
        else n.RequireContent(1);
    }

    private static void Tile(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0);
        var repeats = n.ContentOf(1)?.Integers.ToList() ?? [.. new Amount[x.Rank]];
        if (repeats.Count != x.Rank) throw n.Refuse($"{repeats.Count} repeats for an input of rank {x.Rank}");
        n.Set(0, n.ElementOf(0), x.Dimensions.Zip(repeats, Dimension (d, times) => n.Symbols.Multiply(d, times)));
    }

    private static void Pad(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0);
        // Opset 1 calls the attribute paddings.
        var stated = n.Attributes.Ints("pads") ?? n.Attributes.Ints("paddings");
        int[] axes = n.HasInput(3) ? [.. n.RequireContent(3).KnownIntegers?.Select(a => n.Normalize(a, x.Rank)) ?? throw n.Refuse("axes are computed at run time")] : [.. Enumerable.Range(0, x.Rank)];
        Amount[] pads = stated is not null ? [.. stated.Select(p => (Amount)p)] : [.. n.ContentOf(1)?.Integers ?? new Amount[2 * axes.Length]];
        if (pads.Length != 2 * axes.Length) throw n.Refuse($"{pads.Length} pads for {axes.Length} axes");
        var dimensions = x.Dimensions.ToArray();
        for (int i = 0; i < axes.Length; i++)
            dimensions[axes[i]] = n.Symbols.Add(dimensions[axes[i]], n.Symbols.Add(pads[i], pads[i + axes.Length]));
        n.Set(0, n.ElementOf(0), dimensions);
    }

    private static void MoveBlocks(NodeInference n, bool toSpace)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0, 4);
        long block = n.Attributes.Int("blocksize", 0);
        if (block < 1 || x.Rank != 4) throw n.Refuse("blocksize must be positive and the input of rank 4");
        n.Set(0, n.ElementOf(0), toSpace
            ? [x[0], n.Symbols.FloorDivide(x[1], block * block), n.Symbols.Multiply(x[2], block), n.Symbols.Multiply(x[3], block)]
            : [x[0], n.Symbols.Multiply(x[1], block * block), n.Symbols.FloorDivide(x[2], block), n.Symbols.FloorDivide(x[3], block)]);
    }

    private static void CenterCropPad(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0);
        var wanted = n.RequireContent(1).Sizes.ToList();
        var axes = n.Attributes.Ints("axes") ?? [.. Enumerable.Range(0, x.Rank).Select(i => (long)i)];
        if (axes.Count != wanted.Count) throw n.Refuse("shape and axes differ in length");
        var dimensions = x.Dimensions.ToArray();
        for (int i = 0; i < axes.Count; i++) dimensions[n.Normalize(axes[i], x.Rank)] = wanted[i];
        n.Set(0, n.ElementOf(0), dimensions);
    }

    /// <summary>Removed from the standard; ONNX Runtime still runs it: cuts a border off, or a window of size <c>scale</c> out.</summary>
    private static void Crop(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0, 4);
        var border = n.Attributes.Ints("border");
        var scale = n.Attributes.Ints("scale");
        if (border is not { Count: 4 } || x.Rank != 4) throw n.Refuse("border must have four entries");
        n.Set(0, n.ElementOf(0), scale is { Count: 2 }
            ? [x[0], x[1], scale[0], scale[1]]
            : [x[0], x[1], n.Symbols.Subtract(x[2], border[1] + border[3]), n.Symbols.Subtract(x[3], border[0] + border[2])]);
    }
}
