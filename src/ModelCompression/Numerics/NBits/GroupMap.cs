namespace ModelCompression.Numerics.NBits;

/// <summary>The map of elements that share a scale: value = (code − <see cref="Zero"/>) · <see cref="Scale"/>, codes 0…2^bits − 1.</summary>
/// <param name="Scale">Not 0; negative where the element of largest magnitude is positive and gets the code 0.</param>
/// <param name="Zero">Code of the value 0, perhaps between two codes.</param>
internal readonly record struct GroupMap(float Scale, float Zero)
{
    /// <summary>
    /// Stands for the scale of a group of zeros, which may be any: so small that it makes no other scale coarser, and large enough to divide by. It is never stored; a scale that costs nothing takes its place.
    /// </summary>
    public const float AnyScale = 1e-30f;
}

/// <summary>Which maps a search may return.</summary>
/// <param name="Bits">Bits of a code, 2…8.</param>
/// <param name="Kind">Scheme.</param>
/// <param name="ZeroSteps">Positions of an asymmetric zero per code step: 1 keeps zeros exact.</param>
internal readonly record struct GroupCodes(int Bits, GroupCodeKind Kind, int ZeroSteps = 1)
{
    /// <summary>The highest code.</summary>
    public int Highest => (1 << Bits) - 1;

    /// <summary>The code of 0 in the middle of the codes.</summary>
    public int Middle => 1 << (Bits - 1);

    /// <summary>Zero points have eight bits: what the code's bits leave are places behind the point.</summary>
    public static int FineZeroSteps(int bits) => 1 << (8 - bits);
}

/// <summary>Kinds of maps.</summary>
internal enum GroupCodeKind
{
    /// <summary>Zero in the middle, any scale.</summary>
    Symmetric,

    /// <summary>Zero anywhere among the codes, positive scale.</summary>
    Asymmetric,

    /// <summary>Zero in the middle, scale 2^-n.</summary>
    PowerOfTwo,
}
