using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>Stores constants with the same type, shape and bytes once: initializers and <c>Constant</c> nodes, in all graphs.</summary>
/// <remarks>
/// <para>A constant is replaced by the first equal one of its own graph, or of an enclosing graph when it is at least
/// <see cref="MinOuterByteLength"/> long: capturing a small constant would save nothing and take from a subgraph what a runtime likes to see
/// in it. Equal constants of that length in two branches move to the innermost graph around both. An initializer is visible everywhere in its graph, the output
/// of a <c>Constant</c> node only behind that node, so initializers come first. Functions see no outer values and have no initializers; there, constants are
/// shared within the body only, and before IR 4, when initializers were inputs, none moves outwards.</para>
/// <para>Left alone: initializers that a caller may override (listed as inputs, IR 4 and later), constants that a graph returns or that training
/// information names, and sparse constants. The bytes are equal, so outputs are bitwise the same.</para>
/// </remarks>
public sealed class ShareDuplicateInitializers : ModelPass
{
    /// <summary>Smallest constant, in bytes, that a subgraph takes from outside instead of keeping its own.</summary>
    public const long MinOuterByteLength = 256;

    /// <summary>First IR version in which an initializer need not be an input of its graph.</summary>
    private const long FreeInitializersIrVersion = 4;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        Visit(new(model, model.Graph, model.OpsetImports, false), [], log);
        foreach (var function in model.Functions) Visit(new(model, function.Body, function.OpsetImports, true), [], log);
    }

    /// <summary>Shares within one graph and hands what is visible so far down to the subgraphs.</summary>
    /// <returns>The constants of the graph and its subgraphs.</returns>
    private GraphConstants Visit(GraphScope scope, List<GraphConstants> outer, PassLog log)
    {
        var own = new GraphConstants(scope.Graph, TakesMore: !scope.IsFunction && scope.Model.IrVersion >= FreeInitializersIrVersion);
        List<GraphConstants> visible = [.. outer, own];
        foreach (var value in scope.Graph.Initializers.ToArray()) Share(value, scope, visible, log);
        var removed = new List<Node>();
        foreach (var node in scope.Graph.Nodes)
        {
            if (node.Is("Constant") && node.Output() is { } output && Share(output, scope, visible, log)) removed.Add(node);
            foreach (var subgraph in node.Subgraphs) own.AddInner(Visit(scope with { Graph = subgraph }, visible, log));
        }

        scope.Graph.RemoveNodes(removed);
        return own;
    }

    /// <returns>True when the value lost its uses to an equal one.</returns>
    private bool Share(Value value, GraphScope scope, List<GraphConstants> visible, PassLog log)
    {
        if (!scope.TryGetFixed(value, out var tensor)) return false;
        bool canGo = !value.IsGraphOutput && !value.IsReferencedByName;
        if ((Find(tensor, visible) ?? (canGo ? Raise(tensor, visible, log) : null)) is not { } equal)
        {
            visible[^1].Own.Add(tensor, value);
            return false;
        }

        if (!canGo) return false;
        Replace(value, equal, log);
        return true;
    }

    private static Value? Find(Tensor tensor, List<GraphConstants> visible)
    {
        for (int i = visible.Count - 1; i >= 0; i--)
        {
            if (i < visible.Count - 1 && tensor.ByteLength < MinOuterByteLength) return null;
            if (visible[i].Own.TryGetValue(tensor, out var value)) return value;
        }

        return null;
    }

    /// <summary>Moves an equal constant of another branch to the innermost graph that is around both.</summary>
    private Value? Raise(Tensor tensor, List<GraphConstants> visible, PassLog log)
    {
        for (int i = visible.Count - 1; i >= 0; i--)
        {
            if (!visible[i].TakesMore || !visible[i].Inner.Remove(tensor, out var inner)) continue;
            var raised = visible[i].Graph.AddInitializer(inner.Name, tensor);
            visible[i].Own.Add(tensor, raised);
            var producer = inner.Producer;
            Replace(inner, raised, log);
            if (producer is not null) inner.Graph.RemoveNode(producer);
            return raised;
        }

        return null;
    }

    private void Replace(Value value, Value equal, PassLog log)
    {
        value.ReplaceAllUsesWith(equal);
        log.Applied(Name, value.Name, $"equal to '{equal.Name}'");
        if (value.Producer is null) value.Graph.RemoveInitializer(value);
    }

    /// <summary>Constants of one graph.</summary>
    /// <param name="Graph">The graph.</param>
    /// <param name="TakesMore">True when initializers can be added.</param>
    private sealed record GraphConstants(OnnxGraph Graph, bool TakesMore)
    {
        /// <summary>Its own constants that come first.</summary>
        public Dictionary<Tensor, Value> Own { get; } = new(TensorContent.Comparer);

        /// <summary>Constants of subgraphs already left, which nothing outside them sees.</summary>
        public Dictionary<Tensor, Value> Inner { get; } = new(TensorContent.Comparer);

        /// <summary>Adds what a subgraph holds, except what must stay there.</summary>
        public void AddInner(GraphConstants subgraph)
        {
            foreach (var (tensor, value) in subgraph.Own.Concat(subgraph.Inner))
                if (tensor.ByteLength >= MinOuterByteLength && !value.IsGraphOutput && !value.IsReferencedByName) Inner.TryAdd(tensor, value);
        }
    }
}
