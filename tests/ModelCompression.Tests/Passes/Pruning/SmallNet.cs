using Microsoft.ML.OnnxRuntime;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Passes.Pruning;

/// <summary>Conv, Relu, Flatten, Gemm with bell-shaped weights, as training leaves them: big enough for sparse storage to pay.</summary>
internal static class SmallNet
{
    public static Model Create(long opset = 13, long irVersion = 7)
    {
        var model = new Model(new OnnxGraph("net")) { IrVersion = irVersion };
        model.OpsetImports[""] = opset;
        var graph = model.Graph;
        var random = new Random(42);
        var x = graph.AddInput("x", new TensorType(DataType.Float, Shape.Of(1, 8, 6, 6)));
        var conv = graph.AddNode("Conv", [x, graph.AddInitializer("filters", Weights(random, 0.2, 16, 8, 3, 3))], ["c"], name: "conv");
        var relu = graph.AddNode("Relu", [conv.Outputs[0]], ["r"]);
        var flat = graph.AddNode("Flatten", [relu.Outputs[0]], ["f"]);
        // 1/sqrt(fan in): the products of both layers then have the size of their inputs.
        var gemm = graph.AddNode("Gemm", [flat.Outputs[0], graph.AddInitializer("matrix", Weights(random, 0.06, 64, 256)), graph.AddInitializer("bias", Weights(random, 0.1, 64))], ["y"],
            [NodeAttribute.Of("transB", 1)], name: "gemm");
        gemm.Outputs[0]!.Type = new TensorType(DataType.Float, Shape.Of(1, 64));
        graph.AddOutput(gemm.Outputs[0]!);
        return model;
    }

    public static Tensor Weights(Random random, double deviation, params long[] dims)
    {
        var elements = new float[Tensor.CountElements(dims)];
        for (int i = 0; i < elements.Length; i++)
            elements[i] = (float)(deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        return Tensor.Float(dims, elements);
    }

    public static float[] Run(Model model, GraphOptimizationLevel level = GraphOptimizationLevel.ORT_ENABLE_ALL)
    {
        using var options = new SessionOptions { GraphOptimizationLevel = level, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        using var session = new InferenceSession(OnnxWriter.ToBytes(model), options);
        var input = session.InputMetadata.Single();
        var dims = input.Value.Dimensions.Select(d => (long)d).ToArray();
        var data = Weights(new Random(7), 1, dims).AsSpan<float>().ToArray();
        using var value = OrtValue.CreateTensorValueFromMemory(data, dims);
        using var run = new RunOptions();
        using var outputs = session.Run(run, new Dictionary<string, OrtValue> { [input.Key] = value }, session.OutputNames);
        return outputs[0].GetTensorDataAsSpan<float>().ToArray();
    }
}
