using ModelCompression.Analysis.Channels;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>Restates what nodes say about sizes and positions: groups, hidden sizes, split sizes, bounds, indices, target shapes.</summary>
internal static class NodeRepair
{
    /// <summary>Repairs a node before constants are cut.</summary>
    public static void Apply(Node node, GraphScope scope, ChannelRemoval removal)
    {
        switch (node.OpType)
        {
            case "Conv" or "FusedConv":
                SetGroups(node, removal.After(node.Inputs[0]!)[1].Size!.Value, removal.After(node.Inputs[1]!)[1].Size!.Value);
                break;
            case "ConvTranspose":
                SetGroups(node, removal.After(node.Outputs[0]!)[1].Size!.Value, removal.After(node.Inputs[1]!)[1].Size!.Value);
                break;
            case "LSTM" or "GRU" or "RNN":
                if (node.TryGetAttribute("hidden_size", out _)) node.SetAttribute(NodeAttribute.Of("hidden_size", removal.After(node.Inputs[2]!)[2].Size!.Value));
                break;
            case "Split":
                RepairSplit(node, scope, removal);
                break;
            case "Slice":
                RepairSlice(node, scope, removal);
                break;
            case "Gather":
                RepairGather(node, scope, removal);
                break;
        }
    }

    private static void SetGroups(Node node, long channels, long perGroup)
    {
        if (node.GetInt("group", 1) != channels / perGroup) node.SetAttribute(NodeAttribute.Of("group", channels / perGroup));
    }

    private static void RepairSplit(Node node, GraphScope scope, ChannelRemoval removal)
    {
        var x = node.Inputs[0]!;
        int axis = ConstantIntegers.Axis(node.GetInt("axis", 0), removal.Before(x).Rank);
        if (removal.Kept(x, axis) is null) return;
        long[] sizes = [.. node.Outputs.Select(o => removal.After(o!)[axis].Size!.Value)];
        if (scope.Opset < 13)
        {
            node.SetAttribute(NodeAttribute.Of("split", sizes));
            return;
        }

        node.RemoveAttribute("num_outputs");
        SetIntegers(node, 1, sizes, scope);
    }

    private static void RepairSlice(Node node, GraphScope scope, ChannelRemoval removal)
    {
        var x = node.Inputs[0]!;
        var shape = removal.Before(x);
        var bounds = SliceBounds.Read(node, shape.Rank)!;
        var axes = bounds.Keys.ToList();
        if (!axes.Exists(a => removal.Kept(x, a) is not null)) return;
        var ranges = axes.ConvertAll(axis =>
        {
            var range = bounds[axis];
            if (removal.Kept(x, axis) is not { } kept) return (range.Start, range.End);
            var (first, last) = SliceBounds.Clamp(range, (int)shape[axis].Size!.Value);
            return (Start: (long)kept.Count(p => p < first), End: (long)kept.Count(p => p < last));
        });
        SetIntegers(node, "starts", 1, [.. ranges.Select(r => r.Item1)], scope);
        SetIntegers(node, "ends", 2, [.. ranges.Select(r => r.Item2)], scope);
    }

    private static void RepairGather(Node node, GraphScope scope, ChannelRemoval removal)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        int axis = ConstantIntegers.Axis(node.GetInt("axis", 0), removal.Before(x).Rank);
        if (removal.Kept(x, axis) is null) return;
        var indices = ConstantIntegers.Of(node.Inputs[1])!;
        var map = removal.NewPositions(x, axis);
        var kept = removal.Kept(y, axis) ?? [.. Enumerable.Range(0, indices.Length)];
        SetIntegers(node, 1, [.. kept.Select(i => (long)map[ConstantIntegers.Axis(indices[i], map.Length)])], scope);
    }

    /// <summary>Replaces a list of integers kept in an attribute or an input.</summary>
    public static void SetIntegers(Node node, string attribute, int input, long[] values, GraphScope scope)
    {
        if (node.TryGetAttribute(attribute, out _)) node.SetAttribute(NodeAttribute.Of(attribute, values));
        else SetIntegers(node, input, values, scope);
    }

    private static void SetIntegers(Node node, int input, long[] values, GraphScope scope)
    {
        var before = node.Input(input);
        bool isInt32 = before?.TensorType?.ElementType == DataType.Int32;
        var tensor = isInt32 ? Tensor.Create(DataType.Int32, [values.Length], Array.ConvertAll(values, v => (int)v)) : Tensor.Int64([values.Length], values);
        string name = before?.Name ?? $"{node.Outputs[0]!.Name}.{input}";
        node.SetInput(input, ConstantStorage.Add(scope, name, tensor, node));
        if (before is not null) ConstantStorage.RemoveUnused(scope.Model, before);
    }
}
