using System.Diagnostics.CodeAnalysis;
using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Views;

/// <summary>A <c>Gather</c>: picks slices of <paramref name="Data"/> along <paramref name="Axis"/>.</summary>
/// <param name="Node">The node.</param>
/// <param name="Data">The table.</param>
/// <param name="Indices">Which slices; negative ones count from the end.</param>
/// <param name="Axis">In [0, rank of data) when that rank is known, otherwise as stated.</param>
public sealed record GatherView(Node Node, Value Data, Value Indices, int Axis)
{
    /// <summary>Sees <paramref name="node"/> as a Gather.</summary>
    public static bool TryFrom(Node node, [NotNullWhen(true)] out GatherView? view)
    {
        view = null;
        var attributes = new NodeAttributes(node);
        if (!node.Is("Gather") || attributes.HasUnboundReference || node.Input(0) is not { } data || node.Input(1) is not { } indices) return false;
        long axis = attributes.Int("axis", 0);
        int? rank = data.TryGetConstant(out var constant) ? constant.Rank : data.TensorType?.Shape?.Rank;
        if (rank is { } known)
        {
            if (axis < -known || axis >= known) return false;
            if (axis < 0) axis += known;
        }

        view = new(node, data, indices, (int)axis);
        return true;
    }
}
