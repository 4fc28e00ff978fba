using ModelCompression.Numerics.NBits;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>Scales as they are kept in the file, and what they unpack to.</summary>
/// <param name="Effective">Per scale number: what unpacking yields.</param>
/// <param name="Multiples">−127…127 per scale number when a scale is a multiple of its row's step; else empty.</param>
/// <param name="Steps">Per scale row, with multiples; else empty.</param>
/// <param name="IsHalf">True when, without multiples, all scales are binary16 numbers.</param>
/// <remarks>Groups of zeros get the scale 1, as ONNX Runtime's tools have it, or the smallest multiple of their row's step. Two-level scales follow Dettmers et al., "QLoRA", 2023 (double quantization): 8 instead of 32 bits per block. Codes are made for the effective scale.</remarks>
internal sealed record StoredScales(float[] Effective, sbyte[] Multiples, float[] Steps, bool IsHalf)
{
    /// <summary>The multiple of a row's largest scale.</summary>
    public const int MaxMultiple = sbyte.MaxValue;

    /// <summary>Blocks of a row from which multiples take fewer bytes than binary16.</summary>
    private const int LeastBlocks = 8;

    /// <summary>Scales from which binary16 pays for the node that widens it.</summary>
    private const int LeastHalves = 32;

    private const float SmallestNormalHalf = 6.1035156e-5f;
    private const float LargestHalf = 65504f;

    /// <summary>No scales: the codes' values are the weights.</summary>
    public static StoredScales None => new([], [], [], false);

    /// <summary>True for two-level scales.</summary>
    public bool HasMultiples => Multiples.Length > 0;

    /// <summary>Chooses the storage of the wanted scales.</summary>
    /// <param name="maps">Per scale number.</param>
    /// <param name="grid">Rows and blocks.</param>
    /// <param name="kind">Powers of two are never rounded.</param>
    public static StoredScales Of(GroupMap[] maps, WeightGrid grid, GroupCodeKind kind)
    {
        if (AreOfRows(grid, kind)) return InMultiples(maps, grid);
        float[] wanted = Array.ConvertAll(maps, m => OrOne(m.Scale));
        if (wanted.Length < LeastHalves || !Array.TrueForAll(wanted, s => FitsHalf(s, kind))) return new(wanted, [], [], false);
        return new(Array.ConvertAll(wanted, s => (float)(Half)s), [], [], true);
    }

    private static float OrOne(float scale) => scale == GroupMap.AnyScale ? 1 : scale;

    private static bool FitsHalf(float scale, GroupCodeKind kind) => kind == GroupCodeKind.PowerOfTwo
        ? (float)(Half)scale == scale
        : Math.Abs(scale) is >= SmallestNormalHalf and <= LargestHalf;

    /// <summary>True when the storage of a row's scales depends on nothing but these, so that <see cref="OfRows"/> may be filled row by row.</summary>
    public static bool AreOfRows(WeightGrid grid, GroupCodeKind kind) => kind != GroupCodeKind.PowerOfTwo && grid.Blocks >= LeastBlocks;

    /// <summary>Two-level scales to be filled row by row.</summary>
    public static StoredScales OfRows(WeightGrid grid) => new(new float[grid.ScaleCount], new sbyte[grid.ScaleCount], new float[grid.ScaleRows], false);

    /// <summary>Scales in binary16 to be filled by <see cref="TrySetHalf"/>: what <see cref="Of"/> yields if all of them fit. Null for weights whose scales are stored otherwise.</summary>
    public static StoredScales? OfHalves(WeightGrid grid, GroupCodeKind kind) =>
        kind == GroupCodeKind.PowerOfTwo || AreOfRows(grid, kind) || grid.ScaleCount < LeastHalves ? null : new(new float[grid.ScaleCount], [], [], true);

    /// <summary>Stores a wanted scale in binary16, or as it is and returns false.</summary>
    /// <param name="at">Scale number.</param>
    /// <param name="wanted">The scale.</param>
    public bool TrySetHalf(int at, float wanted)
    {
        float scale = OrOne(wanted);
        bool fits = FitsHalf(scale, GroupCodeKind.Symmetric);
        // The rows beside it are rounded before the weight is looked at again; binary16 might make 0 or infinity of this scale, and NaN of its codes.
        Effective[at] = fits ? (float)(Half)scale : scale;
        return fits;
    }

    /// <summary>Stores the wanted scales of one row. Rows may be stored at the same time.</summary>
    /// <param name="row">The scale row.</param>
    /// <param name="blocks">Its maps.</param>
    public void SetRow(int row, ReadOnlySpan<GroupMap> blocks)
    {
        float largest = 0;
        foreach (var map in blocks) largest = Math.Max(largest, Math.Abs(map.Scale));
        float step = Steps[row] = largest == GroupMap.AnyScale ? 1 : largest / MaxMultiple;
        for (int b = 0; b < blocks.Length; b++)
        {
            int multiple = (int)MathF.Round(Math.Abs(blocks[b].Scale) / step);
            int i = (row * blocks.Length) + b;
            Multiples[i] = (sbyte)(Math.Clamp(multiple, 1, MaxMultiple) * Math.Sign(blocks[b].Scale));
            Effective[i] = Multiples[i] * step;
        }
    }

    /// <summary>Stores the scales of one row. Rows may be stored at the same time.</summary>
    /// <param name="row">The scale row.</param>
    /// <param name="multiples">Whole numbers of −<see cref="MaxMultiple"/>…<see cref="MaxMultiple"/> per block, <paramref name="stride"/> apart.</param>
    /// <param name="stride">Distance of blocks.</param>
    /// <param name="step">Their unit.</param>
    public void SetRow(int row, ReadOnlySpan<float> multiples, int stride, float step)
    {
        int blocks = Multiples.Length / Steps.Length;
        Span<sbyte> own = Multiples.AsSpan(row * blocks, blocks);
        Span<float> effective = Effective.AsSpan(row * blocks, blocks);
        Steps[row] = step;
        for (int b = 0, at = 0; b < own.Length; b++, at += stride) (own[b], effective[b]) = ((sbyte)multiples[at], multiples[at] * step);
    }

    /// <summary>The same scales divided by a power of two, if that takes no more bytes and rounds none; else null.</summary>
    public StoredScales? DividedBy(int unit)
    {
        float smallest = unit * (IsHalf ? SmallestNormalHalf : MapSearch.SmallestNormal);
        bool isExact = Array.TrueForAll(Effective, s => Math.Abs(s) >= smallest) && Array.TrueForAll(Steps, s => Math.Abs(s) >= smallest);
        return isExact ? this with { Effective = Array.ConvertAll(Effective, s => s / unit), Steps = Array.ConvertAll(Steps, s => s / unit) } : null;
    }

    private static StoredScales InMultiples(GroupMap[] maps, WeightGrid grid)
    {
        var scales = OfRows(grid);
        for (int row = 0; row < grid.ScaleRows; row++) scales.SetRow(row, maps.AsSpan(row * grid.Blocks, grid.Blocks));
        return scales;
    }
}
