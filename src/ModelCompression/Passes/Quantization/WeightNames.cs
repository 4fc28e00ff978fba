using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization;

/// <summary>Names of the values that stand for one weight: the codes keep the weight's name with a suffix, the rest is short, since names are bytes too.</summary>
/// <param name="number">Position of the weight among those quantized.</param>
internal readonly struct WeightNames(int number)
{
    /// <summary>The float weight.</summary>
    public string Weight => FormattableString.Invariant($"w{number}");

    /// <summary>The codes as floats.</summary>
    public string Float => FormattableString.Invariant($"w{number}.f");

    /// <summary>The codes less the zero point.</summary>
    public string Centred => FormattableString.Invariant($"w{number}.d");

    /// <summary>Scales.</summary>
    public string Scale => FormattableString.Invariant($"w{number}.s");

    /// <summary>Scales as binary16.</summary>
    public string HalfScale => FormattableString.Invariant($"w{number}.h");

    /// <summary>Scales of blocks as multiples of <see cref="Scale"/>.</summary>
    public string Multiples => FormattableString.Invariant($"w{number}.m");

    /// <summary>Lower bits of codes wider than a byte.</summary>
    public string LowBits => FormattableString.Invariant($"w{number}.l");

    /// <summary>The weight's shape.</summary>
    public string Shape => FormattableString.Invariant($"w{number}.n");

    /// <summary>Zero points.</summary>
    public string ZeroPoint => FormattableString.Invariant($"w{number}.z");

    /// <summary>Name of the codes.</summary>
    public static string OfCodes(Value weight) => weight.Name + "_q";
}
