using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>Stores constants with the same type, shape and bytes once: initializers and <c>Constant</c> nodes, in all graphs.</summary>
/// <remarks>
/// <para>A constant is replaced by the first equal one of its own graph, or of an enclosing graph when it is at least
/// <see cref="MinOuterByteLength"/> long: capturing a small constant would save nothing and take from a subgraph what a runtime likes to see
/// in it. An initializer is visible everywhere in its graph, the output of a <c>Constant</c> node only behind that node, so initializers come first.
/// Functions see no outer values; there, constants are shared within the body only.</para>
/// <para>Left alone: initializers that a caller may override (listed as inputs, IR 4 and later), constants that a graph returns or that training
/// information names, and sparse constants. The bytes are equal, so outputs are bitwise the same.</para>
/// </remarks>
public sealed class ShareDuplicateInitializers : ModelPass
{
    /// <summary>Smallest constant, in bytes, that a subgraph takes from outside instead of keeping its own.</summary>
    public const long MinOuterByteLength = 256;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        Visit(new(model, model.Graph, model.OpsetImports, false), [], log);
        foreach (var function in model.Functions) Visit(new(model, function.Body, function.OpsetImports, true), [], log);
    }

    /// <summary>Shares within one graph and hands what is visible so far down to the subgraphs.</summary>
    private void Visit(GraphScope scope, List<Dictionary<Tensor, Value>> outer, PassLog log)
    {
        var own = new Dictionary<Tensor, Value>(TensorContent.Comparer);
        List<Dictionary<Tensor, Value>> visible = [.. outer, own];
        foreach (var value in scope.Graph.Initializers.ToArray()) Share(value, scope, visible, log);
        var removed = new List<Node>();
        foreach (var node in scope.Graph.Nodes)
        {
            if (node.Is("Constant") && node.Output() is { } output && Share(output, scope, visible, log)) removed.Add(node);
            foreach (var subgraph in node.Subgraphs) Visit(scope with { Graph = subgraph }, visible, log);
        }

        scope.Graph.RemoveNodes(removed);
    }

    /// <returns>True when the value lost its uses to an equal one.</returns>
    private bool Share(Value value, GraphScope scope, List<Dictionary<Tensor, Value>> visible, PassLog log)
    {
        if (!scope.TryGetFixed(value, out var tensor)) return false;
        if (Find(tensor, visible) is not { } equal)
        {
            visible[^1].Add(tensor, value);
            return false;
        }

        if (value.IsGraphOutput || value.IsReferencedByName) return false;
        value.ReplaceAllUsesWith(equal);
        log.Applied(Name, value.Name, $"equal to '{equal.Name}'");
        if (value.Producer is null) value.Graph.RemoveInitializer(value);
        return true;
    }

    private static Value? Find(Tensor tensor, List<Dictionary<Tensor, Value>> visible)
    {
        for (int i = visible.Count - 1; i >= 0; i--)
        {
            if (i < visible.Count - 1 && tensor.ByteLength < MinOuterByteLength) return null;
            if (visible[i].TryGetValue(tensor, out var value)) return value;
        }

        return null;
    }
}
