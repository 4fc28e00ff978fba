using Microsoft.ML.OnnxRuntime;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Runtime;

/// <summary>Computes constants in ONNX Runtime: one session on one CPU thread for all nodes, without graph optimizations.</summary>
public sealed class OrtConstantEvaluator : IConstantEvaluator
{
    /// <inheritdoc/>
    public IReadOnlyList<Tensor>? TryEvaluate(ConstantSubgraph subgraph, out string? reason)
    {
        using var model = Build(subgraph);
        try
        {
            reason = null;
            return Run(OnnxWriter.ToBytes(model), subgraph.Outputs.Count);
        }
        catch (OnnxRuntimeException error)
        {
            reason = $"ONNX Runtime does not compute it: {error.Message.ReplaceLineEndings(" ")}";
            return null;
        }
    }

    /// <summary>Copies the nodes into a model of their own; the tensors are shared, not copied.</summary>
    private static Model Build(ConstantSubgraph subgraph)
    {
        var graph = new OnnxGraph("constants");
        var model = new Model(graph) { IrVersion = Math.Max(4, subgraph.IrVersion) };
        foreach (var (domain, version) in subgraph.Opsets.All) model.OpsetImports[domain] = version;
        var copies = new Dictionary<Value, Value>();
        foreach (var node in subgraph.Nodes)
        {
            var inputs = node.Inputs.Select(input => input is null ? null : Copy(input)).ToList();
            var copy = graph.AddNode(node.OpType, inputs, node.Outputs.Select(o => o?.Name ?? ""), node.Attributes, node.Domain, node.Name);
            for (int i = 0; i < node.Outputs.Count; i++)
                if (node.Outputs[i] is { } output) copies[output] = copy.Outputs[i]!;
        }

        foreach (var output in subgraph.Outputs) graph.AddOutput(copies[output]);
        return model;

        Value Copy(Value input)
        {
            if (!copies.TryGetValue(input, out var copy)) copies[input] = copy = graph.AddInitializer(input.Name, subgraph.Constants[input]);
            return copy;
        }
    }

    private static Tensor[] Run(byte[] bytes, int outputCount)
    {
        using var options = new SessionOptions
        {
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_DISABLE_ALL,
            IntraOpNumThreads = 1,
            InterOpNumThreads = 1,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
        };
        using var session = new InferenceSession(bytes, options);
        using var run = new RunOptions();
        using var outputs = session.Run(run, [], [], session.OutputNames);
        var tensors = new Tensor[outputCount];
        for (int i = 0; i < outputCount; i++)
        {
            var info = outputs[i].GetTensorTypeAndShape();
            tensors[i] = info.ElementDataType == Microsoft.ML.OnnxRuntime.Tensors.TensorElementType.String
                ? Tensor.FromStrings(info.Shape, [.. outputs[i].GetStringTensorAsArray().Select(s => (ReadOnlyMemory<byte>)System.Text.Encoding.UTF8.GetBytes(s))])
                : Tensor.Create((DataType)info.ElementDataType, info.Shape, outputs[i].GetTensorMutableRawData().ToArray());
        }

        return tensors;
    }
}
