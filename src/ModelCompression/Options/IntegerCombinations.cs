namespace ModelCompression.Options;

/// <summary>Combinations that make no sense with integer arithmetic, or need it (MCB1004).</summary>
internal static class IntegerCombinations
{
    /// <summary>What contradicts itself, with what to use instead.</summary>
    public static IEnumerable<string> Missing(CompressionOptions o)
    {
        if (o is { Quantization: QuantizationMode.WeightOnly, QuantizationFormat: QuantizationFormat.QOperator })
            yield return "QuantizationFormat=QOperator computes with integers, Quantization=WeightOnly with floats; use Quantization=Static or Dynamic, or QuantizationFormat=Auto, Folded, QDQ or MatMulNBits";
        if (o.Quantization is not (QuantizationMode.Static or QuantizationMode.Dynamic)) yield break;
        if (o.WeightBits != 8)
            yield return FormattableString.Invariant($"Quantization={o.Quantization} multiplies integers of 8 bits, but WeightBits is {o.WeightBits}; for {o.WeightBits}-bit weights use Quantization=WeightOnly, with QuantizationFormat=MatMulNBits and ActivationBits=8 for 8-bit activations behind matrix products (2, 4 and 8 bits)");
        if (o.QuantizationScheme == QuantizationScheme.Codebook)
            yield return $"QuantizationScheme=Codebook has unevenly spaced levels, which integer arithmetic cannot multiply; use Quantization=WeightOnly instead of {o.Quantization}, or QuantizationScheme=Symmetric";
        if (o is { Quantization: QuantizationMode.Dynamic, QuantizationScheme: QuantizationScheme.PowerOfTwo })
            yield return "QuantizationScheme=PowerOfTwo needs scales that are known before the model runs; use Quantization=Static or WeightOnly instead of Dynamic";
        if (o.Quantization != QuantizationMode.Static) yield break;
        if (o.QuantizationScheme == QuantizationScheme.Asymmetric)
            yield return "QuantizationScheme=Asymmetric is about weights, which Quantization=Static keeps symmetric (activations have zero points in any case); leave it out, or use Quantization=WeightOnly";
        if (o.QuantizationFormat is QuantizationFormat.MatMulNBits)
            yield return "QuantizationFormat=MatMulNBits needs Quantization=WeightOnly; the operator rounds activations itself (ActivationBits=8)";
        if (o.QuantizationFormat is QuantizationFormat.Folded)
            yield return "QuantizationFormat=Folded turns weights back into floats, Quantization=Static computes with integers; use QuantizationFormat=Auto, QDQ or QOperator, or Quantization=WeightOnly";
        if (o is { QuantizationFormat: QuantizationFormat.QOperator, ActivationBits: 16 })
            yield return "QuantizationFormat=QOperator has no operators for ActivationBits=16; use QuantizationFormat=QDQ, or 8 bits";
    }
}
