using ModelCompression.Analysis;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Quantization;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>What tests of weights without data share.</summary>
internal static class WeightOnly
{
    /// <summary><c>Quantization=WeightOnly</c>, everything else as it is by default.</summary>
    public static CompressionOptions Options { get; } = new() { Quantization = QuantizationMode.WeightOnly };

    /// <summary>The same for a model.</summary>
    public static CompressionSettings Settings { get; } = new(Options);

    /// <summary>What will be done with a model's first weight.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">Options other than <see cref="Options"/>.</param>
    /// <param name="fusedByteLength">Bytes of products from which integer kernels are preferred.</param>
    public static WeightPlan FirstPlan(TestModel model, CompressionOptions? options = null, long fusedByteLength = FormRules.FusedMatMulByteLength)
    {
        var catalog = WeightCatalog.Of(model.Model);
        return new WeightPlanner(model.Model, catalog, new(options ?? Options), fusedByteLength).Decide(catalog.Weights[0]).Plan!;
    }

    /// <summary>Quantizes as if the model were large.</summary>
    public static PassLog RunAsLarge(TestModel model, CompressionOptions? options = null) => model.Run(new QuantizeWeights { FusedByteLength = 1 }, options ?? Options);

    /// <summary>Numbers of which few are large: powers of even ones.</summary>
    public static Tensor HeavyTailed(TestModel model, int power, params long[] dims) =>
        Tensor.Float(dims, Array.ConvertAll(model.RandomTensor(dims).AsSpan<float>().ToArray(), v => (float)Math.Pow(v, power)));
}
