namespace ModelCompression.Options;

/// <summary>Combinations of the settings of n-bit weights.</summary>
internal static class NBitCombinations
{
    /// <summary>What the settings lack, or what contradicts itself (MCB1004).</summary>
    public static IEnumerable<string> Missing(CompressionOptions o)
    {
        if (o.Quantization != QuantizationMode.WeightOnly) yield break;
        if (o is { QuantizationFormat: QuantizationFormat.MatMulNBits, QuantizationGranularity: QuantizationGranularity.Tensor })
            yield return "QuantizationFormat=MatMulNBits has scales per block; leave QuantizationGranularity=Tensor out";
        if (o is { QuantizationScheme: QuantizationScheme.Codebook, QuantizationFormat: QuantizationFormat.Qdq or QuantizationFormat.MatMulNBits })
            yield return $"QuantizationScheme=Codebook needs QuantizationFormat=Auto or Folded; {(o.QuantizationFormat == QuantizationFormat.Qdq ? "QDQ" : o.QuantizationFormat)} has evenly spaced levels only";
        if (o.QuantizationAlgorithm is QuantizationAlgorithm.Gptq or QuantizationAlgorithm.AdaRound && o.CalibrationData.Count == 0)
            yield return $"QuantizationAlgorithm={o.QuantizationAlgorithm} needs CalibrationData; Hqq needs none";
        if (o.QuantizationAlgorithm != QuantizationAlgorithm.RoundToNearest && o.QuantizationScheme == QuantizationScheme.Codebook)
            yield return $"QuantizationAlgorithm={o.QuantizationAlgorithm} has no palettes; use RoundToNearest with QuantizationScheme=Codebook";
    }

    /// <summary>What this version does not have (MCB1006).</summary>
    public static IEnumerable<string> Unavailable(CompressionOptions o)
    {
        if (o.Quantization is not (QuantizationMode.Dynamic or QuantizationMode.Static)) yield break;
        if (o.QuantizationAlgorithm != QuantizationAlgorithm.RoundToNearest) yield return $"QuantizationAlgorithm={o.QuantizationAlgorithm} with Quantization={o.Quantization}";
        if (o.QuantizationGranularity == QuantizationGranularity.Block) yield return $"QuantizationGranularity=Block with Quantization={o.Quantization}";
    }
}
