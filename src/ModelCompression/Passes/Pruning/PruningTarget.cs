using ModelCompression.Analysis;
using ModelCompression.Options;

namespace ModelCompression.Passes.Pruning;

/// <summary>A weight that will be pruned.</summary>
/// <param name="Site">Where it is and who reads it.</param>
/// <param name="Options">The options that hold for its first consumer.</param>
/// <param name="Elements">Its elements.</param>
internal sealed record PruningTarget(WeightSite Site, CompressionOptions Options, WeightElements Elements)
{
    /// <summary>Elements to remove, rounded to the nearest integer, halves to even.</summary>
    public static long CountToRemove(double sparsity, long elementCount) => (long)Math.Round(sparsity * elementCount, MidpointRounding.ToEven);
}
