using ModelCompression.Data;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime.Fidelity;

/// <summary>Tells whether outputs can show a difference at all: a saturated output is the same whatever happens to the weights.</summary>
internal static class OutputVariation
{
    /// <summary>An output with a larger share of equal elements is saturated.</summary>
    private const double MaxEqualShare = 0.99;

    private const int ChunkLength = 512;

    /// <summary>
    /// False when all floating point outputs have the same value in more than 99 % of their elements, over all samples together. Outputs of a single element in all, and
    /// models without floating point outputs, are taken to vary.
    /// </summary>
    /// <param name="samples">Outputs per sample.</param>
    public static bool IsSeen(IReadOnlyList<IReadOnlyList<NamedValue>> samples)
    {
        var outputs = samples.SelectMany(FlatOutputs.Of).Where(o => o.Tensor is { } t && t.DataType.IsFloatingPoint() && t.ElementCount > 0)
            .GroupBy(o => o.Name, o => o.Tensor!, StringComparer.Ordinal).ToList();
        return outputs.Count == 0 || outputs.Exists(o => Varies([.. o]));
    }

    private static bool Varies(IReadOnlyList<Tensor> tensors)
    {
        long all = tensors.Sum(t => t.ElementCount);
        if (all <= 1) return true;
        Span<double> first = stackalloc double[1];
        FloatElements.Read(tensors[0], 0, first);
        double value = first[0];
        return tensors.Sum(t => CountEqual(t, value)) <= all * MaxEqualShare;
    }

    private static long CountEqual(Tensor tensor, double value)
    {
        Span<double> chunk = stackalloc double[ChunkLength];
        long equal = 0;
        for (int start = 0; start < tensor.ElementCount; start += ChunkLength)
        {
            var elements = chunk[..(int)Math.Min(ChunkLength, tensor.ElementCount - start)];
            FloatElements.Read(tensor, start, elements);
            foreach (double element in elements)
                if (element.Equals(value)) equal++;
        }

        return equal;
    }
}
