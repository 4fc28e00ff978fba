using ModelCompression.Analysis;
using ModelCompression.Numerics.NBits;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Quantization.NBits;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.NBits;

/// <summary>Matrices that are encoded for sixteen rows at a time, and what their codes lose.</summary>
internal static class LaneCases
{
    /// <summary>The code of zero where an element lies.</summary>
    public static float ZeroOf(NBitWeight weight, WeightGrid grid, int row, int element, int middle = 8) =>
        weight.ZeroPoints.Length == 0 ? middle : weight.ZeroPoints[(row * grid.Blocks) + (element / grid.BlockLength)];

    /// <summary>A mean input of uneven elements.</summary>
    public static MeanInput[] Means(int length)
    {
        var random = new Random(7);
        return [new MeanInput([.. Enumerable.Range(0, length).Select(_ => (float)(random.NextDouble() - 0.3))], 0.05f)];
    }

    /// <summary>Σ over rows of (e·m)² and Σ e².</summary>
    public static (double Shift, double Noise) Errors(NBitPlan plan, NBitWeight weight, MeanInput input)
    {
        var grid = plan.Grid;
        var elements = plan.Site.Tensor.AsSpan<float>();
        double shifts = 0, noise = 0;
        for (int row = 0; row < grid.Rows; row++)
        {
            double shift = 0;
            for (int k = 0; k < grid.Length; k++)
            {
                float x = elements[(k * grid.Rows) + row], value = (weight.Codes[(row * grid.Length) + k] - ZeroOf(weight, grid, row, k, plan.Codes.Middle)) * weight.Scales.Effective[(row * grid.Blocks) + (k / grid.BlockLength)];
                shift += (x - value) * (double)input.Means[k];
                noise += (x - value) * (double)(x - value);
            }

            shifts += shift * shift;
        }

        return (shifts, noise);
    }

    /// <summary>The plan of a matrix of random weights as MatMulNBits in blocks.</summary>
    public static NBitPlan Plan(QuantizationAlgorithm algorithm, int inputs, int outputs, QuantizationScheme scheme = QuantizationScheme.Symmetric, int blockSize = 32, int bits = 4, Action<Span<float>>? change = null)
    {
        var model = new TestModel();
        var weight = model.Weight("w", inputs, outputs);
        model.Output(model.Node("MatMul", [model.Input("x", 4, inputs), weight]));
        if (change is not null)
        {
            float[] elements = weight.Initializer!.AsSpan<float>().ToArray();
            change(elements);
            model.Model.Graph.SetInitializer(weight, ModelCompression.Onnx.Tensors.Tensor.Float([inputs, outputs], elements));
        }

        var options = new CompressionOptions
        {
            Quantization = QuantizationMode.WeightOnly,
            QuantizationFormat = QuantizationFormat.MatMulNBits,
            QuantizationAlgorithm = algorithm,
            QuantizationScheme = scheme,
            WeightBits = bits,
            BlockSize = blockSize,
            QuantizationGranularity = QuantizationGranularity.Block,
        };
        var site = WeightCatalog.Of(model.Model).Weights.Single();
        return NBitRules.Plan(site, site.Uses[0], options, GraphTarget.AllOf(model.Model)[model.Model.Graph]);
    }
}
