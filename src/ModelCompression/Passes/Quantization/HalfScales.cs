namespace ModelCompression.Passes.Quantization;

/// <summary>Scales as binary16 numbers: codes are found for the rounded scales, so nothing is lost but a thousandth of the range.</summary>
/// <param name="Unit">Power of two that a scale is multiplied by when it is stored.</param>
internal readonly record struct HalfScales(int Unit)
{
    /// <summary>Fewer scales do not pay for the Cast.</summary>
    public const int MinCount = 24;

    private const float SmallestNormal = 6.1035156e-5f;
    private const float Largest = 65000f;

    /// <summary>True when a scale keeps its 11 significant bits.</summary>
    public bool CanHold(float scale) => scale * Unit is >= SmallestNormal and <= Largest;

    /// <summary>The next scale that is exact when stored.</summary>
    public float RoundUp(float scale)
    {
        float stored = scale * Unit;
        var half = (Half)stored;
        return (float)((float)half < stored ? Half.BitIncrement(half) : half) / Unit;
    }
}
