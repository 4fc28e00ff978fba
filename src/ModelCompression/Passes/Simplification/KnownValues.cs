using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification.Evaluation;

namespace ModelCompression.Passes.Simplification;

/// <summary>What a graph's nodes compute from constants and static shapes alone.</summary>
internal sealed class KnownValues
{
    private readonly GraphScope scope;

    private KnownValues(GraphScope scope) => this.scope = scope;

    /// <summary>Nodes all of whose outputs are known, in order; <c>Constant</c> nodes are not among them.</summary>
    public List<Node> Nodes { get; } = [];

    /// <summary>Their outputs.</summary>
    public Dictionary<Value, Tensor> Tensors { get; } = [];

    /// <summary>Evaluates what can be evaluated in a graph.</summary>
    public static KnownValues Of(GraphScope scope)
    {
        var known = new KnownValues(scope);
        foreach (var node in scope.Graph.Nodes)
            if (CanReplace(node) && known.TryEvaluate(node) is { } outputs) known.Add(node, outputs);
        return known;
    }

    /// <summary>True if the node's outputs may become constants at all.</summary>
    public static bool CanReplace(Node node)
    {
        if (!node.IsOnnxDomain || node.OpType is "Constant" or "DequantizeLinear" || node.IsParameterized) return false;
        foreach (var output in node.Outputs)
            if (output is not null && (output.IsReferencedByName || output.OutputOf.Count > 1 || (output.IsGraphOutput && output.OutputOf[0] != node.Graph))) return false;
        return !node.Subgraphs.Any();
    }

    private Tensor[]? TryEvaluate(Node node)
    {
        if (CreationRules.FromStaticShape(node, scope.Opset) is { } shape) return [shape];
        if (node.Inputs.Count == 0) return null;
        var inputs = new Tensor?[node.Inputs.Count];
        for (int i = 0; i < inputs.Length; i++)
            if (node.Inputs[i] is { } input && !TryGet(input, out inputs[i])) return null;
        return ShapeMathEvaluator.TryEvaluate(new ConstantCall(node, scope.Opset, inputs));
    }

    private bool TryGet(Value value, out Tensor? tensor) => Tensors.TryGetValue(value, out tensor) || scope.TryGetFixed(value, out tensor);

    private void Add(Node node, Tensor[] outputs)
    {
        Nodes.Add(node);
        for (int i = 0; i < node.Outputs.Count; i++)
            if (node.Outputs[i] is { } output) Tensors.Add(output, outputs[i]);
    }
}
