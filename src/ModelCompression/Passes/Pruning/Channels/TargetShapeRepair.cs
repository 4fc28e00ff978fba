using ModelCompression.Analysis.Channels;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>States anew the target shapes of Reshape, Expand, ConstantOfShape and Resize.</summary>
/// <remarks>
/// A stored target is replaced. A computed one becomes a stored one where its unknown sizes can be expressed (copied or inferred, in Reshape); otherwise the known sizes in it are
/// overridden: <c>Where(mask, sizes, computed)</c>.
/// </remarks>
internal static class TargetShapeRepair
{
    /// <summary>Nodes whose target shape has to be looked at: they make an axis that changes, or their shape is computed from one.</summary>
    public static IReadOnlyList<Node> Find(Model model, ChannelRemoval removal)
    {
        var changed = removal.Axes.Select(a => a.Value).ToHashSet();
        var found = new List<Node>();
        foreach (var node in model.Graph.AllNodes())
        {
            if (ShapeFlow.TargetInput(node) >= 0 && (changed.Contains(node.Outputs[0]!) || changed.Contains(node.Inputs[0]!))) found.Add(node);
            else if (node.Is("Shape") && changed.Contains(node.Inputs[0]!)) found.AddRange(ShapeFlow.Targets(node.Outputs[0]!) ?? []);
        }

        return [.. found.Distinct()];
    }

    public static void Apply(Node node, GraphScope scope, ChannelRemoval removal)
    {
        int input = ShapeFlow.TargetInput(node);
        if (node.Is("Resize") && node.Input(input) is null) return;
        var y = node.Outputs[0]!;
        var after = removal.After(y);
        var stored = ConstantIntegers.Of(node, "shape", input);
        var target = node.Is("Reshape") && (stored is not null || node.GetInt("allowzero", 0) == 0)
            ? ReshapeTarget.Entries(stored, removal.After(node.Inputs[0]!), after)
            : Sizes(node, stored, after);
        if (target is null) Override(node, input, scope, after);
        else if (stored is null || !stored.AsSpan().SequenceEqual(target)) NodeRepair.SetIntegers(node, "shape", input, target, scope);
    }

    /// <summary>The sizes as numbers, or null when one is not known and not stored either.</summary>
    private static long[]? Sizes(Node node, long[]? stored, Shape after)
    {
        var sizes = new long[stored?.Length ?? SizeAxes(node, after).Length];
        var axes = SizeAxes(node, after)[^sizes.Length..];
        for (int i = 0; i < sizes.Length; i++)
        {
            if (stored?[i] == 1) sizes[i] = 1;
            else if ((after[axes[i]].Size ?? stored?[i]) is { } size) sizes[i] = size;
            else return null;
        }

        return sizes;
    }

    private static void Override(Node node, int input, GraphScope scope, Shape after)
    {
        var axes = SizeAxes(node, after);
        var mask = axes.Select(a => after[a].IsKnown).ToArray();
        long[] sizes = [.. axes.Select(a => after[a].Size ?? 0)];
        var computed = node.Inputs[input]!;
        var condition = ConstantStorage.Add(scope, $"{computed.Name}.known", Tensor.Create(DataType.Bool, [mask.Length], mask), node);
        var values = ConstantStorage.Add(scope, $"{computed.Name}.sizes", Tensor.Int64([sizes.Length], sizes), node);
        var repaired = scope.Graph.InsertBefore(node, "Where", [condition, values, computed], $"{computed.Name}.repaired");
        repaired.Type = new TensorType(DataType.Int64, Shape.Of(sizes.Length));
        node.SetInput(input, repaired);
    }

    /// <summary>The output axes that the entries of the target shape are about.</summary>
    private static int[] SizeAxes(Node node, Shape after) =>
        node.GetInts("axes") is { } axes ? [.. axes.Select(a => ConstantIntegers.Axis(a, after.Rank))] : [.. Enumerable.Range(0, after.Rank)];
}
