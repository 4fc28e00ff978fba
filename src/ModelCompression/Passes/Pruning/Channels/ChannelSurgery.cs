using ModelCompression.Analysis.Costs;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
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
        // Copying what stays takes most of the time, and one copy knows nothing of another.
        var values = removal.Axes.GroupBy(a => a.Value, a => a.Axis).ToArray();
        var taken = new Tensor?[values.Length];
        Parallel.For(0, values.Length, i => taken[i] = Take(values[i].Key, values[i]));
        for (int i = 0; i < values.Length; i++) Shrink(values[i].Key, taken[i]);
    }

    /// <summary>What stays of a constant; null for a value that is computed.</summary>
    private Tensor? Take(Value value, IEnumerable<int> axes)
    {
        if (!value.TryGetConstant(out var whole)) return null;
        var rest = whole;
        // Slow axes first: what is left to copy element by element is then smaller.
        foreach (int axis in axes.Order()) rest = TensorSelection.Take(rest, axis, removal.Kept(value, axis)!);
        // The report will ask for it; later it would have to be read from the file again.
        if (whole.DataType.IsFloatingPoint()) whole.NonZeroCount ??= NonZeroCounter.Count([whole])[0];
        whole.Data.ReleasePages();
        return rest;
    }

    private void Shrink(Value value, Tensor? rest)
    {
        if (rest is not null) ConstantStorage.Replace(value, rest);
        else if (value.TensorType is { Shape: { } shape } type) value.Type = type with { Shape = removal.After(value, shape) };
    }
}
