using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using ModelCompression.Numerics.Products;

namespace ModelCompression.Numerics.NBits;

/// <summary>Sixteen rows of a weight side by side, one per lane: vector k holds element k of every row, so that no sum of a row or block runs across lanes.</summary>
/// <remarks>Of a transposed weight, whose rows lie side by side already, a vector is one cache line. Missing rows are zeros. Lanes do not meet, so results are the same with vectors of any width.</remarks>
internal static class LaneTile
{
    /// <summary>Rows side by side.</summary>
    public const int Lanes = 16;

    private const int MostGroups = 4;
    private const int WantedElements = 1 << 16;

    /// <summary>Lines of a transposed weight are so far apart that the processor does not foresee the next one.</summary>
    private const int LinesAhead = 16;

    /// <summary>Groups of sixteen rows that are worked on one after the other: of a transposed weight neighbouring cache lines, all that a second-level cache holds.</summary>
    public static int GroupCount(WeightGrid grid) => Math.Clamp(WantedElements / (Lanes * Math.Max(1, grid.Length)), 1, MostGroups);

    /// <summary>Copies rows.</summary>
    /// <param name="weight">All elements.</param>
    /// <param name="grid">Rows.</param>
    /// <param name="first">First row.</param>
    /// <param name="count">Rows.</param>
    /// <param name="columns">Receives groups of sixteen rows one after the other, a vector per element of a row.</param>
    public static void Load(ReadOnlySpan<float> weight, WeightGrid grid, int first, int count, Span<Vector512<float>> columns)
    {
        if (count % Lanes != 0) columns.Slice(count / Lanes * grid.Length, grid.Length).Clear();
        var target = MemoryMarshal.Cast<Vector512<float>, float>(columns);
        if (grid.IsTransposed)
        {
            LoadTransposed(weight, grid, first, count, target);
            return;
        }

        for (int row = 0; row < count; row += Lanes)
        {
            int together = Math.Min(Lanes, count - row);
            Planes.ToPixels(weight.Slice((first + row) * grid.Length, together * grid.Length), grid.Length, together, grid.Length, target[(row * grid.Length)..], Lanes);
        }
    }

    /// <summary>Puts codes, which lie as the columns do, where a tensor has them.</summary>
    /// <param name="codes">Sixteen codes per element of a row.</param>
    /// <param name="grid">Rows.</param>
    /// <param name="first">First row.</param>
    /// <param name="count">Rows, at most sixteen.</param>
    /// <param name="inRows">True for row after row whatever the weight's order.</param>
    /// <param name="result">Codes of the whole weight.</param>
    public static void StoreCodes(ReadOnlySpan<byte> codes, WeightGrid grid, int first, int count, bool inRows, Span<byte> result)
    {
        if (grid.IsTransposed && !inRows)
        {
            for (int k = 0; k < grid.Length; k++) codes.Slice(k * Lanes, count).CopyTo(result[((k * grid.Rows) + first)..]);
            return;
        }

        for (int row = 0; row < count; row++) CopyLane(codes, row, result.Slice((first + row) * grid.Length, grid.Length));
    }

    /// <summary>Packs 4-bit codes of rows of an even length, the first in the low half of a byte.</summary>
    /// <inheritdoc cref="StoreCodes"/>
    public static void StorePairs(Span<byte> codes, WeightGrid grid, int first, int count, Span<byte> result)
    {
        var vectors = MemoryMarshal.Cast<byte, Vector128<byte>>(codes)[..grid.Length];
        int pairs = vectors.Length / 2;
        for (int i = 0; i < pairs; i++) vectors[i] = vectors[2 * i] | (vectors[(2 * i) + 1] << 4);
        int done = CopyEights(vectors[..pairs], count, result.Slice(first * pairs, count * pairs));
        for (int row = 0; row < count; row++) CopyLane(codes[(done * Lanes)..], row, result.Slice(((first + row) * pairs) + done, pairs - done));
    }

    /// <summary>Copies as many bytes of every row as eights hold; returns how many.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int CopyEights(ReadOnlySpan<Vector128<byte>> columns, int count, Span<byte> rows)
    {
        const int eight = sizeof(ulong);
        Span<Vector128<ulong>> turned = stackalloc Vector128<ulong>[eight];
        var own = MemoryMarshal.Cast<Vector128<ulong>, ulong>(turned)[..count];
        int k = 0;
        for (; k <= columns.Length - eight; k += eight)
        {
            var (a, b) = Interleave(columns[k], columns[k + 1]);
            var (c, d) = Interleave(columns[k + 2], columns[k + 3]);
            var (e, f) = Interleave(columns[k + 4], columns[k + 5]);
            var (g, h) = Interleave(columns[k + 6], columns[k + 7]);
            Interleave(Interleave(a, c), Interleave(e, g), turned);
            Interleave(Interleave(b, d), Interleave(f, h), turned[(eight / 2)..]);
            ref byte target = ref rows[k];
            for (int row = 0; row < own.Length; row++) Unsafe.WriteUnaligned(ref Unsafe.Add(ref target, row * columns.Length), own[row]);
        }

        return k;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<ushort> Low, Vector128<ushort> High) Interleave(Vector128<byte> even, Vector128<byte> odd) =>
        (Vector128.WidenLower(even) | (Vector128.WidenLower(odd) << 8), Vector128.WidenUpper(even) | (Vector128.WidenUpper(odd) << 8));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<uint> Low, Vector128<uint> High) Interleave(Vector128<ushort> even, Vector128<ushort> odd) =>
        (Vector128.WidenLower(even) | (Vector128.WidenLower(odd) << 16), Vector128.WidenUpper(even) | (Vector128.WidenUpper(odd) << 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Interleave((Vector128<uint> Low, Vector128<uint> High) even, (Vector128<uint> Low, Vector128<uint> High) odd, Span<Vector128<ulong>> result)
    {
        result[0] = Vector128.WidenLower(even.Low) | (Vector128.WidenLower(odd.Low) << 32);
        result[1] = Vector128.WidenUpper(even.Low) | (Vector128.WidenUpper(odd.Low) << 32);
        result[2] = Vector128.WidenLower(even.High) | (Vector128.WidenLower(odd.High) << 32);
        result[3] = Vector128.WidenUpper(even.High) | (Vector128.WidenUpper(odd.High) << 32);
    }

    /// <summary>Copies the codes of one row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void CopyLane(ReadOnlySpan<byte> codes, int lane, Span<byte> row)
    {
        ref byte source = ref Unsafe.Add(ref MemoryMarshal.GetReference(codes[..(row.Length * Lanes)]), lane);
        ref byte target = ref MemoryMarshal.GetReference(row);
        int k = 0;
        for (; k <= row.Length - 4; k += 4)
        {
            ref byte from = ref Unsafe.Add(ref source, k * Lanes);
            int four = from | (Unsafe.Add(ref from, Lanes) << 8) | (Unsafe.Add(ref from, 2 * Lanes) << 16) | (Unsafe.Add(ref from, 3 * Lanes) << 24);
            Unsafe.WriteUnaligned(ref Unsafe.Add(ref target, k), four);
        }

        for (; k < row.Length; k++) Unsafe.Add(ref target, k) = Unsafe.Add(ref source, k * Lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LoadTransposed(ReadOnlySpan<float> weight, WeightGrid grid, int first, int count, Span<float> target)
    {
        for (int k = 0; k < grid.Length; k++)
        {
            var line = weight.Slice((k * grid.Rows) + first, count);
            if (k < grid.Length - LinesAhead) LineAligned.Prefetch(ref MemoryMarshal.GetReference(weight[(((k + LinesAhead) * grid.Rows) + first)..]), count);
            int row = 0;
            for (; row <= count - Lanes; row += Lanes) Vector512.Create<float>(line[row..]).CopyTo(target[((row * grid.Length) + (k * Lanes))..]);
            if (row < count) line[row..].CopyTo(target[((row * grid.Length) + (k * Lanes))..]);
        }
    }
}

/// <summary>Memory that one thread works in, row group after row group.</summary>
internal sealed class LaneSpace
{
    private LineAligned floats;
    private byte[] codes = [];
    private float[] row = [];
    private byte[] rowCodes = [];
    private GroupMap[] rowMaps = [];

    /// <summary>Working memory of <see cref="MeanPreservingRounding"/>.</summary>
    public MoveSpace Moves { get; } = new();

    /// <summary>Room for vectors at addresses that are multiples of their length; the content is undefined. Valid until the next call.</summary>
    public Span<Vector512<float>> Vectors(int count)
    {
        if (floats.Length < count * LaneTile.Lanes) floats = new(count * LaneTile.Lanes);
        return MemoryMarshal.Cast<float, Vector512<float>>(floats.Span[..(count * LaneTile.Lanes)]);
    }

    /// <summary>Room for one row, its codes and the maps of its blocks; the content is undefined.</summary>
    public (Memory<float> Elements, Memory<byte> Codes, Memory<GroupMap> Maps) Row(int length, int blocks)
    {
        if (row.Length < length) (row, rowCodes) = (new float[length], new byte[length]);
        if (rowMaps.Length < blocks) rowMaps = new GroupMap[blocks];
        return (row.AsMemory(0, length), rowCodes.AsMemory(0, length), rowMaps.AsMemory(0, blocks));
    }

    /// <summary>Room for codes; the content is undefined.</summary>
    public Span<byte> Codes(int count)
    {
        if (codes.Length < count) codes = GC.AllocateUninitializedArray<byte>(count);
        return codes.AsSpan(0, count);
    }
}
