using ModelCompression.Numerics.NBits;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>Writes the arithmetic of <see cref="FoldedForm"/>.</summary>
internal sealed class FoldedRecipe(NBitPlan plan, NBitWeight content)
{
    private NBitWeight weight = content;
    private readonly WeightGrid grid = plan.Grid;
    private readonly long[] weightDims = plan.Site.Tensor.Dims.ToArray();

    /// <summary>Shape in which scales of blocks broadcast against the codes; without blocks the weight's own.</summary>
    public long[] ViewDims => grid.Blocks == 1 ? weightDims
        : grid.HasTail ? (grid.IsTransposed ? [grid.Length, grid.Rows] : [grid.Rows, grid.Length])
        : grid.IsTransposed ? [grid.Blocks, grid.BlockLength, grid.Rows] : [grid.Rows, grid.Blocks, grid.BlockLength];

    /// <summary>Forgets the codes, once the constants of the recipe are made.</summary>
    public void Release() => weight = weight with { Codes = [] };

    /// <summary>What a sparse form stores: uint8 indices into a palette, else int8 codes around 0, which need no subtraction.</summary>
    public Tensor SparseCodes(long[] dims) => weight.Palette.Length > 0
        ? Tensor.Create(DataType.UInt8, dims, weight.Codes)
        : Tensor.Create(DataType.Int8, dims, Array.ConvertAll(weight.Codes, code => (sbyte)(code - plan.Codes.Middle)));

    /// <summary>Makes the recipe.</summary>
    /// <param name="givenDims">Null to pack the codes too; else the shape in which they will be given as <see cref="SparseCodes"/>.</param>
    public PackingRecipe Make(long[]? givenDims)
    {
        var ops = new UnpackingOperators(plan.Target.Opset);
        var (value, scales) = weight.Palette.Length > 0 ? (Palette(ops, givenDims), weight.Scales) : Centred(ops, givenDims);
        if (scales.Effective.Length > 0) value = Node(ops, "Mul", value, Scales(ops, scales));
        if (!ViewDims.AsSpan().SequenceEqual(weightDims)) value = ops.Reshape(value, weightDims);
        if (plan.Site.Tensor.DataType != DataType.Float) Cast(ops, value, plan.Site.Tensor.DataType);
        return ops.Recipe;
    }

    private PackedCodes Codes => new("codes", grid.ElementCount, plan.Codes.Bits, () => weight.Codes);

    /// <summary>Codes minus zero points, and the scales they are to be multiplied by.</summary>
    private (int Value, StoredScales Scales) Centred(UnpackingOperators ops, long[]? givenDims)
    {
        if (weight.ZeroPoints.Length > 0) return (Node(ops, "Sub", givenDims is null ? ops.FloatCodes(Codes, ViewDims) : Given(ops, DataType.Float), ZeroPoints(ops)), weight.Scales);
        if (givenDims is not null) return (Given(ops, DataType.Float), weight.Scales);
        var divided = weight.Scales.DividedBy(UnpackingOperators.UnitOfTopCodes(plan.Codes.Bits));
        var (value, isMultiple) = ops.CentredCodes(Codes, divided is not null, ViewDims);
        return (value, isMultiple ? divided! : weight.Scales);
    }

    private int Palette(UnpackingOperators ops, long[]? givenDims)
    {
        int table = ops.Recipe.Add(new ConstantStep("palette", DataType.Float, [weight.Palette.Length], () => Tensor.Float([weight.Palette.Length], weight.Palette)));
        return givenDims is null ? ops.Pick(table, weight.Palette.Length, Codes, ViewDims) : ops.Pick(table, Given(ops, DataType.Int32));
    }

    private static int Given(UnpackingOperators ops, DataType type) => Cast(ops, ops.Recipe.Add(new GivenStep("q")), type);

    /// <summary>uint8 of 2^(bits − 8) code steps, or of whole steps where all are.</summary>
    private int ZeroPoints(UnpackingOperators ops)
    {
        int steps = Array.TrueForAll(weight.ZeroPoints, z => z == MathF.Round(z)) ? 1 : GroupCodes.FineZeroSteps(plan.Codes.Bits);
        long[] dims = BlockDims();
        int zeros = ops.Recipe.Add(new ConstantStep("zeros", DataType.UInt8, dims, () => Tensor.Create(DataType.UInt8, dims, Array.ConvertAll(ScaleRecipe.Arranged(weight.ZeroPoints, TransposedRows), z => (byte)MathF.Round(z * steps)))));
        zeros = Cast(ops, zeros, DataType.Float);
        if (steps > 1) zeros = Node(ops, "Mul", zeros, ops.Recipe.Constant("fine", DataType.Float, [], 1f / steps));
        return Spread(ops, zeros);
    }

    private int Scales(UnpackingOperators ops, StoredScales scales)
    {
        long[] stepDims = grid.IsTransposed ? [grid.ScaleRows] : [grid.ScaleRows, 1, 1];
        return Spread(ops, new ScaleRecipe(scales, BlockDims(), stepDims) { TransposedRows = TransposedRows }.AddTo(ops));
    }

    /// <summary>Shape of one number per scale that broadcasts against the codes.</summary>
    private long[] BlockDims()
    {
        if (grid.Blocks > 1) return grid.IsTransposed ? [grid.Blocks, 1, grid.Rows] : [grid.Rows, grid.Blocks, 1];
        if (grid.ScaleCount == 1) return [];
        var axes = plan.Use.ChannelAxes;
        if (grid.IsTransposed) return grid.RowsPerScale == 1 ? weightDims[axes[0]..] : ScaleShape.Broadcast(weightDims, axes);
        long[] dims = [.. weightDims];
        for (int i = axes[^1] + 1; i < dims.Length; i++) dims[i] = 1;
        return dims;
    }

    private int TransposedRows => grid.Blocks > 1 && grid.IsTransposed ? grid.Rows : 0;

    /// <summary>Where the last block is shorter: one number per element of a row instead of one per block.</summary>
    private int Spread(UnpackingOperators ops, int perBlock)
    {
        if (grid.Blocks == 1 || !grid.HasTail) return perBlock;
        long padded = (long)grid.Blocks * grid.BlockLength;
        int axis = grid.IsTransposed ? 0 : 1;
        long[] wide = grid.IsTransposed ? [grid.Blocks, grid.BlockLength, grid.Rows] : [grid.Rows, grid.Blocks, grid.BlockLength];
        int spread = Node(ops, "Expand", perBlock, ops.Integers(wide));
        return ops.First(ops.Reshape(spread, grid.IsTransposed ? [padded, grid.Rows] : [grid.Rows, padded]), axis, grid.Length);
    }

    private static int Cast(UnpackingOperators ops, int value, DataType type) => ops.Recipe.Node("Cast", [value], NodeAttribute.Of("to", (long)type));

    private static int Node(UnpackingOperators ops, string opType, params int[] inputs) => ops.Recipe.Node(opType, inputs);
}
