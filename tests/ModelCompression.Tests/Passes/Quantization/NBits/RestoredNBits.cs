using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Quantization.NBits;

namespace ModelCompression.Tests.Passes.Quantization.NBits;

/// <summary>Restores weights from codes and scales element by element, with a way of its own to find an element's group.</summary>
internal static class RestoredNBits
{
    /// <summary>Replaces every weight of a model by what its codes stand for, except those named in <paramref name="unchanged"/>.</summary>
    public static void Apply(Model model, CompressionOptions options, IEnumerable<string> unchanged)
    {
        var targets = GraphTarget.AllOf(model);
        foreach (var site in WeightCatalog.Of(model).Weights)
        {
            if (unchanged.Contains(site.Value.Name)) continue;
            var plan = NBitRules.Plan(site, site.Uses[0], options, targets[site.Value.Graph]);
            var weight = NBitEncoder.TryMake(plan);
            Assert.IsNotNull(weight);
            if (plan.WantsRows && plan.Grid.IsTransposed) weight = weight with { Codes = [.. Enumerable.Range(0, weight.Codes.Length).Select(i => weight.Codes[(i % plan.Grid.Rows * plan.Grid.Length) + (i / plan.Grid.Rows)])] };
            site.Value.Graph.SetInitializer(site.Value, Tensor.Float(site.Tensor.Dims, Values(site, plan.Form is NBitFormKind.MatMulNBits or NBitFormKind.GatherBlockQuantized ? options with { QuantizationGranularity = QuantizationGranularity.Block } : options, weight)));
        }
    }

    /// <summary>Value of every element.</summary>
    public static float[] Values(WeightSite site, CompressionOptions options, NBitWeight weight)
    {
        int[] groups = Groups(site, options);
        var values = new float[groups.Length];
        for (int i = 0; i < values.Length; i++)
        {
            float code = weight.Codes[i];
            float level = weight.Palette.Length > 0 ? weight.Palette[(int)code] : code - (weight.ZeroPoints.Length > 0 ? weight.ZeroPoints[groups[i]] : 1 << (options.WeightBits - 1));
            values[i] = weight.Scales.Effective.Length == 0 ? level : level * weight.Scales.Effective[groups[i]];
        }

        return values;
    }

    /// <summary>Group of every element: groups are numbered by channel, then by position along the reduction.</summary>
    public static int[] Groups(WeightSite site, CompressionOptions options)
    {
        long[] dims = site.Tensor.Dims.ToArray();
        var use = site.Uses[0];
        int count = (int)site.Tensor.ElementCount;
        if (options.QuantizationGranularity == QuantizationGranularity.Tensor) return new int[count];
        bool reductionLast = use.ReductionAxis > use.ChannelAxes[^1];
        var groups = new int[count];
        for (int i = 0; i < count; i++)
        {
            int channel = 0, position = 0, length = 1, rest = i;
            var index = new long[dims.Length];
            for (int axis = dims.Length - 1; axis >= 0; axis--) (rest, index[axis]) = ((int)(rest / dims[axis]), rest % dims[axis]);
            for (int axis = 0; axis < dims.Length; axis++)
            {
                bool summed = reductionLast ? axis > use.ChannelAxes[^1] : axis < use.ChannelAxes[0];
                bool window = !reductionLast && axis > use.ChannelAxes[^1];
                if (summed) (position, length) = ((position * (int)dims[axis]) + (int)index[axis], length * (int)dims[axis]);
                // Kernel positions of ConvTranspose share their channel's scale, but have blocks of their own.
                else if (!window || options.QuantizationGranularity == QuantizationGranularity.Block) channel = (channel * (int)dims[axis]) + (int)index[axis];
            }

            int block = options.QuantizationGranularity == QuantizationGranularity.Block ? options.BlockSize : length;
            groups[i] = (channel * ((length + block - 1) / block)) + (position / block);
        }

        return groups;
    }
}
