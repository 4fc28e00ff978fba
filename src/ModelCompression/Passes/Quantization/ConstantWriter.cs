using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization;

/// <summary>Adds constants and nodes to a graph at one place, in order.</summary>
internal sealed class ConstantWriter
{
    private readonly GraphTarget target;
    private int index;

    /// <summary>Writes where the constant <paramref name="replaced"/> becomes available: at its <c>Constant</c> node, else first in the graph.</summary>
    public ConstantWriter(GraphTarget target, Value replaced)
    {
        this.target = target;
        index = replaced.Producer is { } producer ? target.Graph.IndexOf(producer) : 0;
    }

    /// <summary>Adds a constant.</summary>
    public Value Constant(string name, Tensor tensor) => target.UsesConstantNodes
        ? Node("Constant", [], name, NodeAttribute.Of("value", tensor))
        : target.Graph.AddInitializer(name, tensor);

    /// <summary>Adds a constant in its smallest form.</summary>
    public Value Packed(string name, PackingPlan plan)
    {
        int before = target.Graph.Nodes.Count;
        var value = plan.Emit(target.Graph, index < before ? target.Graph.Nodes[index] : null, name);
        index += target.Graph.Nodes.Count - before;
        return value;
    }

    /// <summary>Adds a single-output node.</summary>
    public Value Node(string opType, IEnumerable<Value?> inputs, string name, params NodeAttribute[] attributes) =>
        target.Graph.AddNode(opType, inputs, [name], attributes, index: index++).Outputs[0]!;
}
