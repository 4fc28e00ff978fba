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

    /// <summary>Zero points.</summary>
    public string ZeroPoint => FormattableString.Invariant($"w{number}.z");

    /// <summary>Name of the codes.</summary>
    public static string OfCodes(Value weight) => weight.Name + "_q";
}
