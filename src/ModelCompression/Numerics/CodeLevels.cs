using System.Numerics;
using System.Runtime.CompilerServices;

namespace ModelCompression.Numerics;

/// <summary>What codes stand for, and which codes lie next to each other.</summary>
/// <typeparam name="TCode">Type of a stored code.</typeparam>
internal interface ICodeLevels<TCode>
    where TCode : struct
{
    /// <summary>The level of a code, in scale steps.</summary>
    double LevelOf(TCode code);

    /// <summary>The code one level above (<paramref name="direction"/> 1) or below (−1); false at the end of the range.</summary>
    bool TryMove(TCode code, int direction, out TCode next);

    /// <summary>The code nearest to a level, for levels that lie the closer the nearer they are to 0, by orders of magnitude; false for others, where no code is much finer than the rest.</summary>
    bool TryReach(double level, out TCode code);
}

/// <summary>Codes of <see cref="CurvedCodes"/>, + <see cref="CurvedCodes.Offset"/>.</summary>
/// <param name="codes">Levels.</param>
internal readonly struct CurvedLevels(CurvedCodes codes) : ICodeLevels<byte>
{
    private readonly float[] levels = codes.Table();

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public double LevelOf(byte code) => levels[code];

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryMove(byte code, int direction, out byte next)
    {
        next = (byte)(code + direction);
        return code + direction is var moved && moved >= 1 && moved < levels.Length;
    }

    /// <inheritdoc/>
    public bool TryReach(double level, out byte code)
    {
        code = default;
        return false;
    }
}

/// <summary>Evenly spaced symmetric codes.</summary>
/// <param name="range">Allowed codes.</param>
internal readonly struct EvenLevels<TCode>(CodeRange range) : ICodeLevels<TCode>
    where TCode : struct, IBinaryInteger<TCode>
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public double LevelOf(TCode code) => int.CreateTruncating(code);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryMove(TCode code, int direction, out TCode next)
    {
        int moved = int.CreateTruncating(code) + direction;
        next = TCode.CreateTruncating(moved);
        return moved >= range.Lowest && moved <= range.Highest;
    }

    /// <inheritdoc/>
    public bool TryReach(double level, out TCode code)
    {
        code = default;
        return false;
    }
}

/// <summary>binary16 numbers.</summary>
internal readonly struct HalfLevels : ICodeLevels<Half>
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public double LevelOf(Half code) => (double)code;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryMove(Half code, int direction, out Half next)
    {
        next = direction > 0 ? Half.BitIncrement(code) : Half.BitDecrement(code);
        return Half.IsFinite(next);
    }

    /// <inheritdoc/>
    public bool TryReach(double level, out Half code)
    {
        code = (Half)level;
        return Half.IsFinite(code);
    }
}
