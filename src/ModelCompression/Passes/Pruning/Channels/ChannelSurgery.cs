using ModelCompression.Onnx.Graph;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>Takes the removed positions out of constants, node attributes and declared types.</summary>
internal sealed class ChannelSurgery(Model model, ChannelRemoval removal)
{
    public void Run()
    {
        var scopes = GraphScope.Of(model).ToDictionary(s => s.Graph);
        foreach (var node in TargetShapeRepair.Find(model, removal)) TargetShapeRepair.Apply(node, scopes[node.Graph!], removal);
        var affected = removal.Axes.Select(a => a.Value).ToHashSet(ReferenceEqualityComparer.Instance);
        foreach (var graph in model.Graph.SelfAndSubgraphs().ToArray())
            foreach (var node in graph.Nodes.ToArray())
                if (node.Inputs.Concat(node.Outputs).Any(v => v is not null && affected.Contains(v)))
                    NodeRepair.Apply(node, scopes[graph], removal);
        foreach (var axes in removal.Axes.GroupBy(a => a.Value)) Cut(axes.Key, [.. axes.Select(a => a.Axis)]);
    }

    private void Cut(Value value, IReadOnlyList<int> axes)
    {
        if (value.TryGetConstant(out var tensor))
        {
            // Slow axes first: what is left to copy element by element is then smaller.
            foreach (int axis in axes.Order()) tensor = TensorSelection.Take(tensor, axis, removal.Kept(value, axis)!);
            ConstantStorage.Replace(value, tensor);
        }
        else if (value.TensorType is { Shape: { } shape } type)
        {
            value.Type = type with { Shape = removal.After(value, shape) };
        }
    }
}
