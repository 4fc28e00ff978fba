namespace ModelCompression.Packing;

/// <summary>Form in which a constant is stored.</summary>
public enum PackingKind
{
    /// <summary>A plain initializer.</summary>
    Dense,

    /// <summary>Every element as an index of 1–8 bits into a palette of the values that occur.</summary>
    Palette,

    /// <summary>One bit per position, and the elements whose bit is set.</summary>
    Bitmask,

    /// <summary>Distances of 1–16 bits between stored elements, and those elements.</summary>
    Gaps,
}
