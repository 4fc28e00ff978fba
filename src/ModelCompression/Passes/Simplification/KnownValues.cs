using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification.Evaluation;

namespace ModelCompression.Passes.Simplification;

/// <summary>What the nodes of a graph and its subgraphs compute from constants and static shapes alone.</summary>
internal sealed class KnownValues
{
    private readonly GraphScope root;

    private KnownValues(GraphScope root) => this.root = root;

    /// <summary>Nodes all of whose outputs are known, in order; <c>Constant</c> nodes are not among them.</summary>
    public List<Node> Nodes { get; } = [];

    /// <summary>Their outputs.</summary>
    public Dictionary<Value, Tensor> Tensors { get; } = [];

    /// <summary>Evaluates what can be evaluated.</summary>
    /// <param name="root">The main graph or a function body.</param>
    public static KnownValues Of(GraphScope root)
    {
        var known = new KnownValues(root);
        known.Visit(root.Graph);
        return known;
    }

    /// <summary>True if the node's outputs may become constants at all.</summary>
    public static bool CanReplace(Node node)
    {
        if (!node.IsOnnxDomain || node.OpType is "Constant" or "DequantizeLinear" || node.IsParameterized || node.Subgraphs.Any() || QuantizedOperators.DefersPacking(node)) return false;
        foreach (var output in node.Outputs)
            if (output is not null && (output.IsReferencedByName || output.OutputOf.Count > 1 || (output.IsGraphOutput && output.OutputOf[0] != node.Graph))) return false;
        return true;
    }

    private void Visit(OnnxGraph graph)
    {
        foreach (var node in graph.Nodes)
        {
            if (CanReplace(node) && TryEvaluate(node) is { } outputs) Add(node, outputs);
            foreach (var subgraph in node.Subgraphs) Visit(subgraph);
        }
    }

    private Tensor[]? TryEvaluate(Node node)
    {
        if (CreationRules.FromStaticShape(node, root.Opset) is { } shape) return [shape];
        if (node.Inputs.Count == 0) return null;
        if (PartialShape.TryTake(node, root.Opset, v => TryGet(v, out var tensor) ? tensor : null) is { } sizes) return [sizes];
        var inputs = new Tensor?[node.Inputs.Count];
        for (int i = 0; i < inputs.Length; i++)
            if (node.Inputs[i] is { } input && !TryGet(input, out inputs[i])) return null;
        return ShapeMathEvaluator.TryEvaluate(new ConstantCall(node, root.Opset, inputs));
    }

    private bool TryGet(Value value, out Tensor? tensor) => Tensors.TryGetValue(value, out tensor) || root.TryGetFixed(value, out tensor);

    private void Add(Node node, Tensor[] outputs)
    {
        Nodes.Add(node);
        for (int i = 0; i < node.Outputs.Count; i++)
            if (node.Outputs[i] is { } output) Tensors.Add(output, outputs[i]);
    }
}
