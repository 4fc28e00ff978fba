using Microsoft.ML.OnnxRuntime;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Packing;

namespace ModelCompression.Tests.Packing;

/// <summary>A model whose only output is one constant.</summary>
internal static class ConstantModel
{
    public static Model Empty(long opset)
    {
        var model = new Model(new OnnxGraph("g")) { IrVersion = opset >= 21 ? 10 : opset >= 11 ? 6 : opset >= 9 ? 4 : 3 };
        model.OpsetImports[""] = opset;
        return model;
    }

    public static Model Of(PackingPlan plan, long opset)
    {
        var model = Empty(opset);
        var value = plan.Emit(model.Graph, null, "w");
        if (value.Producer is null) value = model.Graph.AddNode("Identity", [value], ["y"]).Outputs[0]!;
        value.Type ??= new TensorType(plan.Tensor.DataType, Shape.Of(plan.Tensor.Dims));
        model.Graph.AddOutput(value);
        return model;
    }

    public static byte[] Run(byte[] model, GraphOptimizationLevel level)
    {
        using var options = new SessionOptions { GraphOptimizationLevel = level, IntraOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        using var session = new InferenceSession(model, options);
        using var run = new RunOptions();
        using var outputs = session.Run(run, new Dictionary<string, OrtValue>(), [.. session.OutputNames]);
        return outputs[0].GetTensorMutableRawData().ToArray();
    }

    public static void AssertUnpacks(PackingPlan plan, Tensor tensor, long opset, string because = "")
    {
        var model = Of(plan, opset);
        Assert.IsEmpty(GraphVerifier.Verify(model));
        byte[] bytes = OnnxWriter.ToBytes(model);
        foreach (var level in new[] { GraphOptimizationLevel.ORT_ENABLE_ALL, GraphOptimizationLevel.ORT_DISABLE_ALL })
        {
            byte[] unpacked = Run(bytes, level);
            Assert.IsTrue(unpacked.AsSpan().SequenceEqual(tensor.AsSpan<byte>()), $"{tensor} as {plan.Description} at opset {opset}, {level} {because}");
        }
    }
}
