using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>What 8-bit quantization makes of a weight, from the definition: an independent way to the numbers of the pass.</summary>
internal static class RestoredWeights
{
    /// <summary>(code − zero point)·scale of every element.</summary>
    /// <param name="weight">The weight.</param>
    /// <param name="axes">Channel axes; empty = one scale per tensor.</param>
    /// <param name="symmetric">Scheme.</param>
    /// <param name="block">Elements along the other axis of a matrix that share a scale; 0 for all.</param>
    public static float[] Of(Tensor weight, IReadOnlyList<int> axes, bool symmetric, int block = 0)
    {
        var elements = weight.AsSpan<float>().ToArray();
        int[] channels = Channels(weight.Dims.ToArray(), axes);
        var result = new float[elements.Length];
        foreach (var members in Enumerable.Range(0, elements.Length).GroupBy(i => (channels[i], BlockOf(i))))
        {
            double low = Math.Min(0, members.Min(i => elements[i])), high = Math.Max(0, members.Max(i => elements[i]));
            double exact = symmetric ? Math.Max(-low, high) / 127 : (high - low) / 255;
            float scale = (float)exact;
            double zero = symmetric ? 0 : Math.Round(-low / exact, MidpointRounding.ToEven);
            foreach (int i in members)
            {
                double code = Math.Clamp(Math.Round((double)(elements[i] / scale), MidpointRounding.ToEven) + zero, symmetric ? -127 : 0, symmetric ? 127 : 255);
                result[i] = (float)(code - zero) * scale;
            }
        }

        return result;

        int BlockOf(int i) => block == 0 ? 0 : (int)(axes[0] == 0 ? i % weight.Dims[1] : i / weight.Dims[1]) / block;
    }

    /// <summary>Replaces the weights of a model by what quantization makes of them.</summary>
    /// <param name="model">The model.</param>
    /// <param name="axes">Channel axes per weight, in graph order; empty = one scale per tensor.</param>
    /// <param name="symmetric">Scheme.</param>
    /// <param name="block">Elements along the other axis that share a scale; 0 for all.</param>
    public static void Apply(Model model, IReadOnlyList<int[]> axes, bool symmetric, int block = 0)
    {
        var sites = WeightCatalog.Of(model).Weights;
        Assert.HasCount(axes.Count, sites, "The case has other weights than it says.");
        for (int i = 0; i < sites.Count; i++)
            sites[i].Value.Graph.SetInitializer(sites[i].Value, Tensor.Float(sites[i].Tensor.Dims, Of(sites[i].Tensor, axes[i], symmetric, block)));
    }

    private static int[] Channels(long[] dims, IReadOnlyList<int> axes)
    {
        int count = (int)Tensor.CountElements(dims);
        var channels = new int[count];
        for (int i = 0; i < count; i++)
        {
            int rest = i, channel = 0, weight = 1;
            for (int axis = dims.Length - 1; axis >= 0; axis--)
            {
                int index = rest % (int)dims[axis];
                rest /= (int)dims[axis];
                if (!axes.Contains(axis)) continue;
                channel += index * weight;
                weight *= (int)dims[axis];
            }

            channels[i] = channel;
        }

        return channels;
    }
}
