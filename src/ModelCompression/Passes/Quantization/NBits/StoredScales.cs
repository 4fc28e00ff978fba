using ModelCompression.Numerics.NBits;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>Scales as they are kept in the file, and what they unpack to.</summary>
/// <param name="Effective">Per scale number: what unpacking yields.</param>
/// <param name="Multiples">−127…127 per scale number when a scale is a multiple of its row's step; else empty.</param>
/// <param name="Steps">Per scale row, with multiples; else empty.</param>
/// <param name="IsHalf">True when, without multiples, all scales are binary16 numbers.</param>
/// <remarks>Two-level scales follow Dettmers et al., "QLoRA", 2023 (double quantization): 8 instead of 32 bits per block. Codes are made for the effective scale.</remarks>
internal sealed record StoredScales(float[] Effective, sbyte[] Multiples, float[] Steps, bool IsHalf)
{
    private const int MaxMultiple = sbyte.MaxValue;

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
        if (kind != GroupCodeKind.PowerOfTwo && grid.Blocks >= LeastBlocks) return InMultiples(maps, grid);
        float[] wanted = Array.ConvertAll(maps, m => m.Scale);
        if (wanted.Length < LeastHalves || !Array.TrueForAll(wanted, s => FitsHalf(s, kind))) return new(wanted, [], [], false);
        return new(Array.ConvertAll(wanted, s => (float)(Half)s), [], [], true);
    }

    private static bool FitsHalf(float scale, GroupCodeKind kind) => kind == GroupCodeKind.PowerOfTwo
        ? (float)(Half)scale == scale
        : Math.Abs(scale) is >= SmallestNormalHalf and <= LargestHalf;

    private static StoredScales InMultiples(GroupMap[] maps, WeightGrid grid)
    {
        var multiples = new sbyte[maps.Length];
        var effective = new float[maps.Length];
        var steps = new float[grid.ScaleRows];
        for (int row = 0; row < steps.Length; row++)
        {
            var blocks = maps.AsSpan(row * grid.Blocks, grid.Blocks);
            float largest = 0;
            foreach (var map in blocks) largest = Math.Max(largest, Math.Abs(map.Scale));
            steps[row] = largest / MaxMultiple;
            for (int b = 0; b < blocks.Length; b++)
            {
                int multiple = (int)MathF.Round(Math.Abs(blocks[b].Scale) / steps[row]);
                int i = (row * grid.Blocks) + b;
                multiples[i] = (sbyte)(Math.Clamp(multiple, 1, MaxMultiple) * Math.Sign(blocks[b].Scale));
                effective[i] = multiples[i] * steps[row];
            }
        }

        return new(effective, multiples, steps, false);
    }
}
