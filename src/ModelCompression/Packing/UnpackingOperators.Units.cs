using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Packing;

/// <summary>Many codes are looked up several at a time.</summary>
/// <remarks>
/// A unit of 8 to 14 bits is the index of a row with the values of its 2 to 8 codes. What is as large as the weight is then the row of values alone, one byte each for evenly spaced levels; indices take
/// half a byte to two bytes per code. Code by code it would be five to ten bytes more of parts, their sum in int32 and its conversion, all of which the runtime keeps until the whole graph is folded.
/// </remarks>
internal sealed partial class UnpackingOperators
{
    /// <summary>Fewer codes than this are not worth the nodes that make the table, at least in bytes.</summary>
    private const long MinUnitCodes = 1 << 16;

    /// <summary>Codes per element of the table from which it is worth the time.</summary>
    private const long MinCodesPerEntry = 8;

    /// <summary>Picks <paramref name="table"/>[code] for every code.</summary>
    /// <param name="table">A 1-D constant.</param>
    /// <param name="length">Its elements: more than the largest code.</param>
    /// <param name="codes">The codes.</param>
    /// <param name="dims">Shape of the result (product = number of codes).</param>
    public int Pick(int table, int length, PackedCodes codes, params long[] dims)
    {
        if (!FormUnits(codes)) return Pick(table, Codes(codes, dims));
        int digits = Digits(codes.Width);
        // Rows that no unit refers to must stay inside the table, too.
        if (length < 1 << codes.Width) digits = Recipe.SharedNode($"digits {codes.Width} below {length}", "Mod", [digits, Int32(length)]);
        return Units(Pick(table, digits), codes, dims);
    }

    /// <summary>What codes in the top bits of a byte are multiples of.</summary>
    public static int UnitOfTopCodes(int width) => 1 << (8 - width);

    /// <summary>The codes minus their middle, 2^(bits − 1), as a float tensor of shape <paramref name="dims"/>.</summary>
    /// <param name="codes">The codes.</param>
    /// <param name="mayMultiply">Whether the caller can make up for a factor of <see cref="UnitOfTopCodes"/>.</param>
    /// <param name="dims">Shape of the result (product = number of codes).</param>
    /// <returns>The tensor, and whether it is <see cref="UnitOfTopCodes"/> times what was asked for.</returns>
    public (int Value, bool IsMultiple) CentredCodes(PackedCodes codes, bool mayMultiply, params long[] dims)
    {
        byte sign = (byte)(1 << (codes.Width - 1));
        var complements = codes with { Make = () => Array.ConvertAll(codes.Make(), c => (byte)(c ^ sign)) };
        if (codes.Width == 8) return (Cast(Constant(codes.Name, DataType.Int8, dims, complements.Make), DataType.Float), false);
        if (codes.Width == 4 && opset >= UInt4Opset) return (Cast(Pairs(complements, 0, dims, DataType.Int4), DataType.Float), false);
        if (codes.Width is 2 or 4 && mayMultiply && opset >= BitShiftOpset && codes.Count >= MinUnitCodes)
            return (Cast(Cast(TopCodes(complements, dims), DataType.Int8), DataType.Float), true);
        return (FormUnits(codes) ? CentredUnits(codes, dims) : Node("Sub", FloatCodes(codes, dims), Recipe.Constant("mid", DataType.Float, [], (float)sign)), false);
    }

    private int CentredUnits(PackedCodes codes, long[] dims)
    {
        string key = FormattableString.Invariant($"digits {codes.Width} centred");
        int centred = Recipe.SharedNode(key, "Sub", [Digits(codes.Width), Int32(1 << (codes.Width - 1))]);
        int table = Recipe.SharedNode(key + " as int8", "Cast", [centred], NodeAttribute.Of("to", (long)DataType.Int8));
        return Cast(Units(table, codes, dims), DataType.Float);
    }

    /// <summary>Codes of 2 or 4 bits in the top bits of bytes, the other bits 0: right until they are the lowest, then left, where uint8 drops what is above them.</summary>
    private int TopCodes(PackedCodes codes, long[] dims)
    {
        int bits = codes.Width;
        int rows = 8 / bits;
        int right = Recipe.Constant("right", DataType.UInt8, [rows, 1], [.. Enumerable.Range(0, rows).Select(i => (byte)(i * bits))]);
        int left = Recipe.Constant("left", DataType.UInt8, [], (byte)(8 - bits));
        int lowest = Recipe.Node("BitShift", [PackedPlanes(codes, 0, bits), right], NodeAttribute.Of("direction", "RIGHT"));
        int top = Recipe.Node("BitShift", [lowest, left], NodeAttribute.Of("direction", "LEFT"));
        return Shaped(top, BitPlanes.ByteLength(codes.Count, bits) * rows, codes.Count, dims);
    }

    private bool FormUnits(PackedCodes codes) =>
        opset >= BitShiftOpset && codes.Width < 8 && codes.Count >= Math.Max(MinUnitCodes, MinCodesPerEntry * (CodeUnits.CodesPerUnit(codes.Width) << CodeUnits.Bits(codes.Width)));

    /// <summary>Codes as uint8 values, then float.</summary>
    private int FloatCodesFromUnits(PackedCodes codes, long[] dims)
    {
        int table = Recipe.SharedNode($"digits {codes.Width} as uint8", "Cast", [Digits(codes.Width)], NodeAttribute.Of("to", (long)DataType.UInt8));
        return Cast(Units(table, codes, dims), DataType.Float);
    }

    /// <summary>Rows [2^bits of a unit, codes in a unit] looked up for every unit.</summary>
    private int Units(int rows, PackedCodes codes, long[] dims)
    {
        int picked = Node("Gather", rows, UnitIndices(codes));
        return Shaped(picked, CodeUnits.Count(codes.Count, codes.Width) * CodeUnits.CodesPerUnit(codes.Width), codes.Count, dims);
    }

    /// <summary>[1, units] int32.</summary>
    private int UnitIndices(PackedCodes codes)
    {
        long count = CodeUnits.Count(codes.Count, codes.Width);
        int lowBits = CodeUnits.LowBits(codes.Width);
        int upper = Constant(codes.Name, DataType.UInt8, [1, count], () => CodeUnits.Upper(codes.Make(), codes.Width));
        if (lowBits == 0) return Cast(upper, DataType.Int32);
        List<(int Value, int Shift)> parts = [(upper, lowBits), .. Parts(new(codes.Name, count, lowBits, () => CodeUnits.Lower(codes.Make(), codes.Width)))];
        return Sum(parts);
    }

    /// <summary>Row u has the digits of u to the base 2^<paramref name="width"/>, the lowest first: int32 [2^bits of a unit, codes in a unit].</summary>
    private int Digits(int width)
    {
        int perUnit = CodeUnits.CodesPerUnit(width);
        int units = 1 << CodeUnits.Bits(width);
        int numbers = Recipe.SharedNode($"below {units}", "Range", [Int32(0), Int32(units), Int32(1)]);
        int column = Recipe.SharedNode($"below {units} as column", "Reshape", [numbers, Recipe.Constant("column", DataType.Int64, [2], -1L, 1L)]);
        int powers = Recipe.Constant("powers", DataType.Int32, [perUnit], [.. Enumerable.Range(0, perUnit).Select(i => 1 << (i * width))]);
        int shifted = Recipe.SharedNode($"shifted by {width}", "Div", [column, powers]);
        return Recipe.SharedNode($"digits {width}", "Mod", [shifted, Int32(1 << width)]);
    }
}
