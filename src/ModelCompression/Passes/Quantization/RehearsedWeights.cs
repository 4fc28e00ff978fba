using System.Collections.Concurrent;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization;

/// <summary>
/// Codes that a rehearsal on a copy of the model has found. The copy has the same constants, so that a later run that stores a weight in the same way need not look for them again;
/// biases, which are what may have changed in between, are no weights.
/// </summary>
public sealed class RehearsedWeights
{
    private readonly ConcurrentDictionary<Way, EncodedWeight> known = new();

    /// <summary>Keeps codes.</summary>
    internal void Add(WeightPlan plan, EncodedWeight weight) => known[WayOf(plan)] = weight;

    /// <summary>The codes for a plan, which are then no longer kept; null when there are none.</summary>
    internal EncodedWeight? Take(WeightPlan plan) => known.TryRemove(WayOf(plan), out var weight) ? weight : null;

    private static Way WayOf(WeightPlan plan) =>
        new(plan.Site.Tensor, plan.Layout, plan.Codes, plan.Precision, plan.IsAdaptive, plan.Precision.HasBlocks ? plan.Blocks!.Layout : null, plan.Precision.HasBlocks && plan.Blocks!.BlocksFirst, plan.Product);

    /// <summary>All that codes depend on. Tensors are immutable and equal when they are the same object.</summary>
    private readonly record struct Way(Tensor Weight, ChannelLayout Layout, CodeRange Codes, WeightPrecision Precision, bool IsAdaptive, ChannelLayout? Blocks, bool BlocksFirst, ProductBlocks? Product);
}
