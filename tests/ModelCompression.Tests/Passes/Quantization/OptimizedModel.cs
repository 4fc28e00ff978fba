using Microsoft.ML.OnnxRuntime;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>A model as ONNX Runtime keeps it after folding constants.</summary>
internal static class OptimizedModel
{
    /// <summary>Operators left by the basic optimizations, or by those up to a level, subgraphs included.</summary>
    public static string[] OpTypes(Model model, GraphOptimizationLevel level = GraphOptimizationLevel.ORT_ENABLE_BASIC)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Combine("optimized.onnx");
        using (var options = new SessionOptions { OptimizedModelFilePath = path, GraphOptimizationLevel = level, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR })
        {
            using var session = new InferenceSession(OnnxWriter.ToBytes(model), options);
        }

        using var optimized = OnnxReader.Read(path);
        return [.. optimized.Graph.AllNodes().Select(n => n.OpType)];
    }
}
