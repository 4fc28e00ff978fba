using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Quantization;
using ModelCompression.Statistics;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>Weights rounded with what is known of their inputs.</summary>
internal static class WeightRounding
{
    /// <summary>Rounds the weights of a model; its bytes.</summary>
    public static byte[] Quantize(TestModel model, CompressionOptions options, IStatisticsSource? inputs)
    {
        new QuantizeWeights(inputs: inputs).Run(model.Model, new(options), new PassLog());
        return OnnxWriter.ToBytes(model.Model);
    }

    /// <summary>A model whose inputs fit no other.</summary>
    public static Model Misfit()
    {
        var model = new TestModel();
        model.Output(model.Node("Relu", [model.Input("x", 5, 7)]));
        return model.Model;
    }
}
