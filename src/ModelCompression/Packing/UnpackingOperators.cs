using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Packing;

/// <summary>Codes of 1–8 bits that will be packed when the form is emitted.</summary>
/// <param name="Name">Suffix of the constants' names.</param>
/// <param name="Count">Number of codes.</param>
/// <param name="Width">Bits of a code.</param>
/// <param name="Make">Makes one code per byte.</param>
internal sealed record PackedCodes(string Name, long Count, int Width, Func<byte[]> Make);

/// <summary>Writes the operators that expand packed constants, as far as an opset has them.</summary>
/// <remarks>
/// Every step is exact integer work on types that ONNX Runtime has CPU kernels for, so that it folds the whole chain when a session is created:
/// 7–10 <c>Div</c>, <c>Mul</c>, <c>Sub</c> on int32 and products with a triangle of ones; from 11 <c>BitShift</c> and <c>MatMulInteger</c> on uint8; from 21 <c>Cast</c> from uint4.
/// </remarks>
internal sealed partial class UnpackingOperators(long opset)
{
    /// <summary>First opset whose arithmetic broadcasts: below it nothing can be unpacked.</summary>
    public const long MinOpset = 7;

    /// <summary>First opset with <c>ConstantOfShape</c>.</summary>
    public const long MinFillOpset = 9;

    /// <summary>First opset with <c>Scatter</c>, which gaps need.</summary>
    public const long MinGapsOpset = 9;

    /// <summary>First opset for distances of more than 8 bits: the first with <c>CumSum</c>.</summary>
    public const long MinWideGapsOpset = CumSumOpset;

    /// <summary>First opset whose <c>Slice</c> takes inputs; also the first with <c>DequantizeLinear</c>.</summary>
    public const long SliceInputsOpset = 10;

    private const long CumSumOpset = 11;
    private const long BitShiftOpset = 11;
    private const long UInt4Opset = 21;

    /// <summary>Codes in a row of the running sum by products; its numbers fit in a byte.</summary>
    private const int RowLength = 128;

    private readonly Dictionary<long, int> int32Scalars = [];
    private readonly Dictionary<string, int> int64Lists = new(StringComparer.Ordinal);

    public PackingRecipe Recipe { get; } = new();

    /// <summary>An int32 tensor of shape <paramref name="dims"/> (product = number of codes).</summary>
    public int Codes(PackedCodes codes, params long[] dims)
    {
        if (opset < BitShiftOpset) return SumOfWideParts(codes, dims);
        if (codes.Width == 4 && opset >= UInt4Opset) return Cast(Pairs(codes, 0, dims), DataType.Int32);
        return BitPlanes.Parts(codes.Width).Length == 1 ? Cast(Part(codes, 0, codes.Width, dims), DataType.Int32) : SumOfParts(codes, dims);
    }

    /// <summary>The codes as a float tensor of shape <paramref name="dims"/>, through as few conversions as the opset allows.</summary>
    public int FloatCodes(PackedCodes codes, params long[] dims)
    {
        if (FormUnits(codes) && BitPlanes.Parts(codes.Width).Length > 1) return FloatCodesFromUnits(codes, dims);
        bool isOnePart = opset >= BitShiftOpset && BitPlanes.Parts(codes.Width).Length == 1;
        if (!isOnePart) return Cast(Codes(codes, dims), DataType.Float);
        return Cast(codes.Width == 4 && opset >= UInt4Opset ? Pairs(codes, 0, dims) : Part(codes, 0, codes.Width, dims), DataType.Float);
    }

    /// <summary>Picks elements of a 1-D table by int32 indices of any shape.</summary>
    public int Pick(int table, int indices) => Node("Gather", table, indices);

    /// <summary>Positions [1, count] of the entries of a gap form: the running sum of their distances.</summary>
    public int PositionsFromGaps(PackedCodes distances) => opset >= CumSumOpset
        ? RunningSum(Codes(distances, 1, distances.Count))
        : Shaped(RunningSumByRows(distances, out _), RoundUp(distances.Count), distances.Count, [1, distances.Count]);

    /// <summary>Positions from 16-bit distances; only where <c>CumSum</c> exists.</summary>
    public int PositionsFromWideGaps(long count, Func<ushort[]> distances) =>
        RunningSum(Cast(Recipe.Add(new ConstantStep("gaps", DataType.UInt16, [1, count], () => Tensor.Create(DataType.UInt16, [1, count], distances()))), DataType.Int32));

    /// <summary>For each element [count] of a mask of 1-bit codes its number among the ones, from 1; 0 where the mask is 0.</summary>
    /// <remarks>
    /// <c>NonZero</c> would give positions directly, but its output shape is not known beforehand, and since 1.27 ONNX Runtime folds only nodes
    /// whose output size is known (https://github.com/microsoft/onnxruntime/issues/32130).
    /// </remarks>
    public int OrdinalsFromMask(PackedCodes mask)
    {
        long[] dims = [mask.Count];
        if (opset < CumSumOpset) return Shaped(Node("Mul", RunningSumByRows(mask, out int rows), rows), RoundUp(mask.Count), mask.Count, dims);
        int ones = Codes(mask, dims);
        return Node("Mul", Node("CumSum", ones, Int32(0)), ones);
    }

    /// <summary>Puts values [1, k] at positions [1, k] of a tensor [1, <paramref name="count"/>] of a background value; null = float 0.</summary>
    public int Scatter(long count, Tensor? background, int positions, int values) =>
        Recipe.Node(opset >= 11 ? "ScatterElements" : "Scatter", [Fill([1, count], background), positions, values], NodeAttribute.Of("axis", 1));

    /// <summary>A tensor of one value; null = float 0.</summary>
    public int Fill(long[] dims, Tensor? value)
    {
        string content = value is null ? "" : $"{value.DataType} {Convert.ToHexString(value.AsSpan<byte>())}";
        return Recipe.SharedNode($"fill {string.Join(',', dims)} {content}", "ConstantOfShape", [Int64(dims)], value is null ? [] : [NodeAttribute.Of("value", value)]);
    }

    public int Reshape(int value, params long[] dims) => Node("Reshape", value, Int64(dims));

    /// <summary>A list of integers.</summary>
    public int Integers(params long[] values) => Int64(values);

    /// <summary>The first <paramref name="count"/> entries along an axis.</summary>
    public int First(int value, long axis, long count) => opset >= SliceInputsOpset
        ? Node("Slice", value, Int64(0), Int64(count), Int64(axis))
        : Recipe.Node("Slice", [value], NodeAttribute.Of("starts", [0L]), NodeAttribute.Of("ends", [count]), NodeAttribute.Of("axes", [axis]));

    /// <summary>
    /// The integer product of the row of the parts' weights (4, 1 for widths 4 + 2) with the parts, one below the other: it adds bytes into int32 in one step. What a step yields stays
    /// in memory until the runtime has folded the whole graph, so fewer and narrower steps mean a lower peak.
    /// </summary>
    private int SumOfParts(PackedCodes codes, long[] dims)
    {
        int sum = Sum(Parts(codes));
        return dims.Length == 2 && dims[0] == 1 ? sum : Reshape(sum, dims);
    }

    /// <summary>The parts [1, codes] that codes are made of, each with the position of its lowest bit.</summary>
    private List<(int Value, int Shift)> Parts(PackedCodes codes)
    {
        var parts = new List<(int Value, int Shift)>();
        int shift = codes.Width;
        foreach (int bits in BitPlanes.Parts(codes.Width)) parts.Add((Part(codes, shift -= bits, bits, [1, codes.Count]), shift));
        return parts;
    }

    private int Sum(List<(int Value, int Shift)> parts)
    {
        int weights = Recipe.Constant("weights", DataType.UInt8, [1, parts.Count], [.. parts.Select(p => (byte)(1 << p.Shift))]);
        return Node("MatMulInteger", weights, Recipe.Node("Concat", [.. parts.Select(p => p.Value)], NodeAttribute.Of("axis", 0)));
    }

    private int SumOfWideParts(PackedCodes codes, long[] dims)
    {
        int sum = -1;
        int shift = codes.Width;
        foreach (int bits in BitPlanes.Parts(codes.Width))
        {
            int part = Part(codes, shift -= bits, bits, dims);
            sum = sum < 0 ? part : Node("Add", Node("Mul", sum, Int32(1 << bits)), part);
        }

        return sum;
    }

    /// <summary>Bits <paramref name="shift"/>… of the codes: uint8, or int32 before <c>BitShift</c>.</summary>
    private int Part(PackedCodes codes, int shift, int bits, long[] dims)
    {
        if (bits == 8)
        {
            int bytes = Constant(codes.Name, DataType.UInt8, dims, codes.Make);
            return opset >= BitShiftOpset ? bytes : Cast(bytes, DataType.Int32);
        }

        if (bits == 4 && opset >= UInt4Opset) return Cast(Pairs(codes, shift, dims), DataType.UInt8);
        int perByte = 8 / bits;
        return Shaped(Planes(codes, shift, bits), BitPlanes.ByteLength(codes.Count, bits) * perByte, codes.Count, dims);
    }

    private int Pairs(PackedCodes codes, int shift, long[] dims, DataType type = DataType.UInt4) => Constant(codes.Name, type, dims, () =>
    {
        var bytes = new byte[(codes.Count + 1) / 2];
        BitPlanes.PackPairs(codes.Make(), shift, bytes);
        return bytes;
    });

    /// <summary>[8/bits, bytes] with the codes in order; uint8 where <c>BitShift</c> exists, else int32.</summary>
    private int Planes(PackedCodes codes, int shift, int bits)
    {
        int rows = 8 / bits;
        int packed = PackedPlanes(codes, shift, bits);
        if (opset < BitShiftOpset) return PlanesByDivision(packed, rows, bits);
        // Left until the wanted bits are on top, then right: uint8 drops what is shifted out.
        int left = Recipe.Constant("left", DataType.UInt8, [rows, 1], [.. Enumerable.Range(0, rows).Select(i => (byte)(8 - bits - (i * bits)))]);
        int right = Recipe.Constant("right", DataType.UInt8, [], (byte)(8 - bits));
        int top = Recipe.Node("BitShift", [packed, left], NodeAttribute.Of("direction", "LEFT"));
        return Recipe.Node("BitShift", [top, right], NodeAttribute.Of("direction", "RIGHT"));
    }

    private int PackedPlanes(PackedCodes codes, int shift, int bits) => Constant(codes.Name, DataType.UInt8, [1, BitPlanes.ByteLength(codes.Count, bits)], () =>
    {
        var bytes = new byte[BitPlanes.ByteLength(codes.Count, bits)];
        BitPlanes.Pack(codes.Make(), shift, bits, bytes);
        return bytes;
    });

    private int PlanesByDivision(int packed, int rows, int bits)
    {
        int divisors = Recipe.Constant("divisors", DataType.Int32, [rows, 1], [.. Enumerable.Range(0, rows).Select(i => 1 << (i * bits))]);
        int shifted = Node("Div", Cast(packed, DataType.Int32), divisors);
        int radix = Int32(1 << bits);
        return Node("Sub", shifted, Node("Mul", Node("Div", shifted, radix), radix));
    }

    private int RunningSum(int codes) => Node("CumSum", codes, Int32(1));

    /// <summary>
    /// The running sum without <c>CumSum</c>: codes in rows of 128, each multiplied by a triangular matrix of ones, plus the stored sum of all rows above. The products are
    /// of integers below 2^24 and so exact in float.
    /// </summary>
    /// <param name="codes">The codes.</param>
    /// <param name="rows">The codes themselves as int32 rows, 0 behind the last.</param>
    private int RunningSumByRows(PackedCodes codes, out int rows)
    {
        long padded = RoundUp(codes.Count);
        long rowCount = padded / RowLength;
        var filled = new PackedCodes(codes.Name, padded, codes.Width, () =>
        {
            byte[] all = codes.Make();
            Array.Resize(ref all, (int)padded);
            return all;
        });
        rows = Codes(filled, rowCount, RowLength);
        int sums = Cast(Node("MatMul", Cast(rows, DataType.Float), Triangle()), DataType.Int32);
        int above = Recipe.Add(new ConstantStep("rows", DataType.Int32, [rowCount, 1], () => Tensor.Create(DataType.Int32, [rowCount, 1], SumsAbove(codes.Make(), rowCount))));
        return Node("Add", sums, above);
    }

    /// <summary>[128, 128] with 1 where the row is not below the diagonal, else 0: row i counts for columns j ≥ i.</summary>
    private int Triangle()
    {
        int row = Recipe.Constant("row", DataType.UInt8, [RowLength, 1], [.. Enumerable.Range(0, RowLength).Select(i => (byte)i)]);
        int column = Recipe.Constant("column", DataType.UInt8, [1, RowLength], [.. Enumerable.Range(1, RowLength).Select(i => (byte)i)]);
        int rowFloat = Recipe.SharedNode("row as float", "Cast", [row], NodeAttribute.Of("to", (long)DataType.Float));
        int columnFloat = Recipe.SharedNode("column as float", "Cast", [column], NodeAttribute.Of("to", (long)DataType.Float));
        int counts = Recipe.SharedNode("row counts for column", "Less", [rowFloat, columnFloat]);
        return Recipe.SharedNode("triangle", "Cast", [counts], NodeAttribute.Of("to", (long)DataType.Float));
    }

    private static int[] SumsAbove(ReadOnlySpan<byte> codes, long rowCount)
    {
        var sums = new int[rowCount];
        int sum = 0;
        for (int row = 0; row < sums.Length; row++)
        {
            sums[row] = sum;
            foreach (byte code in codes[(row * RowLength)..Math.Min((row + 1) * RowLength, codes.Length)]) sum += code;
        }

        return sums;
    }

    private static long RoundUp(long count) => (count + RowLength - 1) / RowLength * RowLength;

    /// <summary>The first <paramref name="count"/> of <paramref name="available"/> elements under another shape.</summary>
    private int Shaped(int value, long available, long count, long[] dims)
    {
        if (available == count) return Reshape(value, dims);
        int flat = Reshape(value, -1);
        int first = opset >= SliceInputsOpset
            ? Node("Slice", flat, Int64(0), Int64(count))
            : Recipe.Node("Slice", [flat], NodeAttribute.Of("starts", [0L]), NodeAttribute.Of("ends", [count]));
        return dims.Length == 1 ? first : Reshape(first, dims);
    }

    private int Cast(int value, DataType type) => Recipe.Node("Cast", [value], NodeAttribute.Of("to", (long)type));

    private int Constant(string name, DataType type, long[] dims, Func<byte[]> bytes) =>
        Recipe.Add(new ConstantStep(name, type, dims, () => Tensor.Create(type, dims, bytes())));

    private int Int32(int value)
    {
        if (!int32Scalars.TryGetValue(value, out int at)) int32Scalars.Add(value, at = Recipe.Constant("i", DataType.Int32, [], value));
        return at;
    }

    private int Int64(params long[] values)
    {
        string key = string.Join(',', values);
        if (!int64Lists.TryGetValue(key, out int at)) int64Lists.Add(key, at = Recipe.Constant("n", DataType.Int64, [values.Length], values));
        return at;
    }

    private int Node(string opType, params int[] inputs) => Recipe.Node(opType, inputs);
}
