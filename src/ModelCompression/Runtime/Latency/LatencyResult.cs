namespace ModelCompression.Runtime.Latency;

/// <summary>How long two models take on the same input.</summary>
/// <param name="OriginalMs">Median time of one run of the original in milliseconds.</param>
/// <param name="CompressedMs">Median time of one run of the compressed model in milliseconds.</param>
/// <param name="OriginalSpread">Distance between the quartiles, relative to the median.</param>
/// <param name="CompressedSpread">Distance between the quartiles, relative to the median.</param>
/// <param name="Runs">Timed rounds per model.</param>
public sealed record LatencyResult(double OriginalMs, double CompressedMs, double OriginalSpread, double CompressedSpread, int Runs)
{
    /// <summary>Compressed over original; below 1 is faster.</summary>
    public double Ratio => CompressedMs / OriginalMs;
}
