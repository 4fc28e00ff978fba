using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Packing;

/// <summary>Codes of 1–16 bits that will be packed when the form is emitted.</summary>
/// <param name="Name">Suffix of the constants' names.</param>
/// <param name="Count">Number of codes.</param>
/// <param name="Width">Bits of a code.</param>
/// <param name="Low">The low eight bits of every code.</param>
/// <param name="High">The higher bits; only for widths above 8.</param>
internal sealed record PackedCodes(string Name, long Count, int Width, Func<byte[]> Low, Func<byte[]>? High = null);

/// <summary>Writes the operators that expand packed constants, as far as an opset has them.</summary>
/// <remarks>
/// Every step is exact integer work on types that ONNX Runtime has CPU kernels for, so that it folds the whole chain when a session is created:
/// 7–10 <c>Div</c>, <c>Mul</c>, <c>Sub</c> on int32; from 11 <c>BitShift</c> on uint8; from 21 <c>Cast</c> from uint4.
/// </remarks>
internal sealed class UnpackingOperators(long opset)
{
    /// <summary>First opset whose arithmetic broadcasts: below it nothing can be unpacked.</summary>
    public const long MinOpset = 7;

    /// <summary>First opset with <c>ConstantOfShape</c>.</summary>
    public const long MinFillOpset = 9;

    /// <summary>First opset with <c>CumSum</c> and <c>ScatterElements</c>.</summary>
    public const long MinSparseOpset = 11;

    private const long BitShiftOpset = 11;
    private const long SliceInputsOpset = 10;
    private const long UInt4Opset = 21;

    private readonly Dictionary<long, int> int32Scalars = [];
    private readonly Dictionary<string, int> int64Lists = new(StringComparer.Ordinal);

    public PackingRecipe Recipe { get; } = new();

    /// <summary>An int32 tensor of shape <paramref name="dims"/> (product = number of codes).</summary>
    public int Codes(PackedCodes codes, params long[] dims)
    {
        if (codes.Width > 8) return WideCodes(codes, dims);
        int result = -1;
        int shift = codes.Width;
        foreach (int bits in BitPlanes.Parts(codes.Width))
        {
            int position = shift -= bits;
            int part = Part(codes, codes.Low, position, bits, dims);
            result = result < 0 ? part : Node("Add", Node("Mul", result, Int32(1 << bits)), part);
        }

        return result;
    }

    /// <summary>Picks elements of a 1-D table by int32 indices of any shape.</summary>
    public int Pick(int table, int indices) => Node("Gather", table, indices);

    /// <summary>Running sum of distances: element i is the sum of (code + 1) of all codes before i.</summary>
    public int PositionsFromGaps(int codes) =>
        Recipe.Node("CumSum", [Node("Add", codes, Int32(1)), Int32(0)], NodeAttribute.Of("exclusive", 1));

    /// <summary>For each element of a mask (int32 zeros and ones) its number among the ones, from 1; 0 where the mask is 0.</summary>
    /// <remarks>
    /// <c>NonZero</c> would give positions directly, but its output shape is not known beforehand, and since 1.27 ONNX Runtime folds only nodes
    /// whose output size is known (https://github.com/microsoft/onnxruntime/issues/32130).
    /// </remarks>
    public int OrdinalsFromMask(int mask) => Node("Mul", Node("CumSum", mask, Int32(0)), mask);

    /// <summary>Puts values at positions of a 1-D tensor of a background value; null = float 0.</summary>
    public int Scatter(long count, Tensor? background, int positions, int values) =>
        Node("ScatterElements", Fill([count], background), positions, values);

    /// <summary>A tensor of one value; null = float 0.</summary>
    public int Fill(long[] dims, Tensor? value)
    {
        string content = value is null ? "" : $"{value.DataType} {Convert.ToHexString(value.AsSpan<byte>())}";
        return Recipe.SharedNode($"fill {string.Join(',', dims)} {content}", "ConstantOfShape", [Int64(dims)], value is null ? [] : [NodeAttribute.Of("value", value)]);
    }

    public int Reshape(int value, params long[] dims) => Node("Reshape", value, Int64(dims));

    private int WideCodes(PackedCodes codes, long[] dims)
    {
        int high = -1;
        int shift = codes.Width - 8;
        foreach (int bits in BitPlanes.Parts(codes.Width - 8))
        {
            shift -= bits;
            int part = Part(codes, codes.High!, shift, bits, dims);
            high = high < 0 ? part : Node("Add", Node("Mul", high, Int32(1 << bits)), part);
        }

        return Node("Add", Node("Mul", high, Int32(256)), Part(codes, codes.Low, 0, 8, dims));
    }

    private int Part(PackedCodes codes, Func<byte[]> source, int shift, int bits, long[] dims)
    {
        if (bits == 8) return Cast(Constant(codes.Name, DataType.UInt8, dims, source));
        if (bits == 4 && opset >= UInt4Opset)
        {
            return Cast(Constant(codes.Name, DataType.UInt4, dims, () =>
            {
                var packed = new byte[(codes.Count + 1) / 2];
                BitPlanes.PackPairs(source(), shift, packed);
                return packed;
            }));
        }

        int planes = Planes(codes, source, shift, bits);
        bool exact = codes.Count % (8 / bits) == 0;
        int shaped = exact ? Reshape(planes, dims) : FirstOf(Reshape(planes, -1), codes.Count, dims);
        return opset >= BitShiftOpset ? Cast(shaped) : shaped;
    }

    /// <summary>[8/bits, bytes] with the codes in order; uint8 where <c>BitShift</c> exists, else int32.</summary>
    private int Planes(PackedCodes codes, Func<byte[]> source, int shift, int bits)
    {
        int rows = 8 / bits;
        int packed = Constant(codes.Name, DataType.UInt8, [1, BitPlanes.ByteLength(codes.Count, bits)], () =>
        {
            var bytes = new byte[BitPlanes.ByteLength(codes.Count, bits)];
            BitPlanes.Pack(source(), shift, bits, bytes);
            return bytes;
        });
        if (opset < BitShiftOpset) return PlanesByDivision(packed, rows, bits);
        // Left until the wanted bits are on top, then right: uint8 drops what is shifted out.
        int left = Recipe.Constant("left", DataType.UInt8, [rows, 1], [.. Enumerable.Range(0, rows).Select(i => (byte)(8 - bits - (i * bits)))]);
        int right = Recipe.Constant("right", DataType.UInt8, [], (byte)(8 - bits));
        int top = Recipe.Node("BitShift", [packed, left], NodeAttribute.Of("direction", "LEFT"));
        return Recipe.Node("BitShift", [top, right], NodeAttribute.Of("direction", "RIGHT"));
    }

    private int PlanesByDivision(int packed, int rows, int bits)
    {
        int divisors = Recipe.Constant("divisors", DataType.Int32, [rows, 1], [.. Enumerable.Range(0, rows).Select(i => 1 << (i * bits))]);
        int shifted = Node("Div", Cast(packed), divisors);
        int radix = Int32(1 << bits);
        return Node("Sub", shifted, Node("Mul", Node("Div", shifted, radix), radix));
    }

    private int FirstOf(int flat, long count, long[] dims)
    {
        int first = opset >= SliceInputsOpset
            ? Node("Slice", flat, Int64(0), Int64(count))
            : Recipe.Node("Slice", [flat], NodeAttribute.Of("starts", [0L]), NodeAttribute.Of("ends", [count]));
        return dims.Length == 1 ? first : Reshape(first, dims);
    }

    private int Cast(int value) => Recipe.Node("Cast", [value], NodeAttribute.Of("to", (long)DataType.Int32));

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
