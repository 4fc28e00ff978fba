using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
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
        reason = null;
        try
        {
            using var model = Build(subgraph);
            using var session = ModelSession.Open(OnnxWriter.ToBytes(model), "constants", SessionSettings.Lean, ModelRole.Original);
            var tensors = session.Run([]).Select(output => (output.Value as TensorValue)?.Tensor).ToList();
            if (!tensors.Contains(null)) return tensors!;
            reason = "ONNX Runtime's interface does not return its type";
        }
        catch (DiagnosticException error) when (error.Diagnostic.Code is "MCB2040" or "MCB2041")
        {
            reason = $"ONNX Runtime does not compute it: {RuntimeError.OneLine(error.InnerException?.Message ?? error.Message)}";
        }

        return null;
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
}
