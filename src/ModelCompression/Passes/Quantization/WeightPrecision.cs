using ModelCompression.Numerics;

namespace ModelCompression.Passes.Quantization;

/// <summary>How finely one weight is stored.</summary>
/// <param name="Bits">Bits of a code; 16 with <paramref name="IsHalf"/>.</param>
/// <param name="HasBlocks">Scales per block within each channel instead of one per channel.</param>
/// <param name="IsHalf">binary16 instead of integer codes.</param>
internal readonly record struct WeightPrecision(int Bits, bool HasBlocks, bool IsHalf)
{
    /// <summary>8-bit codes with one scale per channel or tensor.</summary>
    public static WeightPrecision Plain => new(8, false, false);

    /// <summary>binary16.</summary>
    public static WeightPrecision Half => new(16, false, true);

    /// <summary>Curvature of the levels (<see cref="CurvedCodes"/>), for codes of at most 8 bits; 0 = evenly spaced.</summary>
    public float Curvature { get; init; }

    /// <summary>True when the levels are not evenly spaced.</summary>
    public bool IsCurved => Curvature > 0;

    /// <summary>True when scales, or with blocks their steps, are binary16.</summary>
    public bool HasHalfScales { get; init; }

    /// <summary>What scales are multiplied by in the file: what makes up for the unit of a table of levels.</summary>
    public int ScaleUnit => IsCurved ? CurvedCodes.TableUnit : 1;

    /// <summary>How scales are rounded to binary16; null when they stay binary32.</summary>
    public HalfScales? HalfScales => HasHalfScales ? new(ScaleUnit) : null;

    /// <summary>True when several codes share a byte.</summary>
    public bool IsNarrow => Bits < 8;

    /// <summary>True when each code takes a byte.</summary>
    public bool IsByte => Bits == 8;

    /// <summary>True when a code does not fit a byte.</summary>
    public bool IsWide => Bits > 8 && !IsHalf;
}
