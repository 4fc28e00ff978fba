using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>
/// Gives every reader of a small constant its own copy. Biases and norms that happen to be equal (all zeros, all ones) are stored once; that must not tie the channels of
/// unrelated layers to each other. Weights stay shared: tied weights are meant to be.
/// </summary>
internal static class SharedVectors
{
    public static void Separate(Model model)
    {
        var scopes = GraphScope.Of(model).Where(s => !s.IsFunction).ToDictionary(s => s.Graph);
        foreach (var graph in model.Graph.SelfAndSubgraphs().ToArray())
        {
            var constants = graph.Initializers.Concat(graph.Nodes.Where(n => n.Is("Constant")).Select(n => n.Output()!)).ToArray();
            foreach (var value in constants)
                if (value.Uses.Count > 1 && !value.IsReferencedByName && scopes[graph].TryGetFixed(value, out var tensor) && IsVector(tensor)) Separate(value, tensor, scopes);
        }
    }

    private static void Separate(Value value, Tensor tensor, Dictionary<OnnxGraph, GraphScope> scopes)
    {
        // Uses are in no particular order; names of copies must not depend on it.
        foreach (var use in value.Uses.OrderBy(u => u.Node.Graph!.IndexOf(u.Node)).ThenBy(u => u.Index).Skip(1).ToArray())
            if (scopes.TryGetValue(use.Node.Graph!, out var scope)) use.Node.SetInput(use.Index, ConstantStorage.Add(scope, value.Name, tensor, use.Node));
    }

    private static bool IsVector(Tensor tensor)
    {
        int longAxes = 0;
        foreach (long size in tensor.Dims)
            if (size > 1) longAxes++;
        return longAxes == 1 && tensor.DataType.IsFloatingPoint();
    }
}
