using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization;

/// <summary>
/// Stores the scales and biases that are kept as binary16 in one constant, which one Cast widens and one Split takes apart when a session is created: each by itself costs forty bytes of
/// names, shapes and nodes, as much as twenty of its elements.
/// </summary>
/// <remarks>Elements and the values that consumers read stay the same. Joined is what lies in one graph and has the same number of axes, all but the first of length 1.</remarks>
public sealed class JoinHalfConstants : ModelPass
{
    /// <summary>Constants that must come together to save more than the Split and its sizes cost.</summary>
    internal const int MinCount = 4;

    /// <summary>
    /// Most constants that are joined into one. Folding a Split takes ONNX Runtime a time that grows with the square of its outputs and more: 3,600 of them took a minute, in parts of this many
    /// a few tenths of a second.
    /// </summary>
    internal const int MaxCount = 128;

    /// <summary>From this opset on the sizes of the parts are an input of Split.</summary>
    internal const long SizesAsInputOpset = 13;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        foreach (var target in GraphTarget.AllOf(model).Values)
        {
            if (target.Opset < WeightPlanner.BroadcastOpset) continue;
            int number = 0;
            var replaced = new List<Node>();
            foreach (var casts in target.Graph.Nodes.Where(IsWidening).GroupBy(n => Content(n).Rank).SelectMany(g => g.Chunk(MaxCount)).Where(c => c.Length >= MinCount).ToArray())
            {
                int rank = Content(casts[0]).Rank;
                Join(target, casts, number++);
                replaced.AddRange(casts);
                log.Applied(Name, "model", FormattableString.Invariant($"{casts.Length} constants of rank {rank} in binary16 are stored as one"));
            }

            Remove(target.Graph, replaced);
        }
    }

    /// <summary>True for a Cast to float that is all that a stored binary16 constant is there for.</summary>
    private static bool IsWidening(Node node)
    {
        if (!node.Is("Cast") || node.GetInt("to", 0) != (long)DataType.Float || node.IsParameterized) return false;
        if (node.Input(0) is not { IsGraphInput: false, IsGraphOutput: false, IsReferencedByName: false, Uses.Count: 1 } stored || stored.Graph != node.Graph) return false;
        if (node.Output() is not { IsGraphOutput: false, IsReferencedByName: false } || !stored.TryGetConstant(out var tensor) || tensor.DataType != DataType.Float16) return false;
        return tensor.Rank > 0 && tensor.ElementCount > 0 && tensor.ElementCount == tensor.Dims[0];
    }

    private static Tensor Content(Node cast) => cast.Input(0)!.TryGetConstant(out var tensor) ? tensor : throw new InvalidOperationException($"'{cast.DisplayName}' has no constant.");

    private static void Join(GraphTarget target, Node[] casts, int number)
    {
        Tensor[] parts = Array.ConvertAll(casts, Content);
        long[] sizes = Array.ConvertAll(parts, p => p.Dims[0]);
        long[] shape = parts[0].Dims.ToArray();
        shape[0] = sizes.Sum();
        var elements = new Half[shape[0]];
        int at = 0;
        foreach (var part in parts)
        {
            part.AsSpan<Half>().CopyTo(elements.AsSpan(at));
            at += (int)part.Dims[0];
        }

        var writer = new ConstantWriter(target);
        var joined = writer.AsFloat(FormattableString.Invariant($"halves{number}"), FormattableString.Invariant($"halves{number}.f"), Tensor.Create(DataType.Float16, shape, elements));
        Value?[] inputs = target.Opset >= SizesAsInputOpset ? [joined, writer.Constant(FormattableString.Invariant($"halves{number}.n"), Tensor.Int64([sizes.Length], sizes))] : [joined];
        NodeAttribute[] attributes = target.Opset >= SizesAsInputOpset ? [] : [NodeAttribute.Of("split", sizes)];
        var split = writer.AddNode("Split", inputs, Array.ConvertAll(casts, c => c.Output()!.Name), attributes);
        for (int i = 0; i < casts.Length; i++) casts[i].Output()!.ReplaceAllUsesWith(split.Outputs[i]!);
    }

    /// <summary>All at once: a network of thousands of layers has as many of them.</summary>
    private static void Remove(OnnxGraph graph, List<Node> casts)
    {
        Value[] stored = [.. casts.Select(c => c.Input(0)!)];
        graph.RemoveNodes([.. casts, .. stored.Select(s => s.Producer).OfType<Node>()]);
        graph.RemoveInitializers([.. stored.Where(s => s.Producer is null && s.Initializer is not null)]);
    }
}
