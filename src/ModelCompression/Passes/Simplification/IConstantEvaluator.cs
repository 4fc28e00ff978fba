using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification;

/// <summary>A group of nodes whose inputs are all constant.</summary>
/// <param name="IrVersion">IR version of the model.</param>
/// <param name="Opsets">Operator sets the nodes are of.</param>
/// <param name="Nodes">The nodes in execution order.</param>
/// <param name="Constants">Every input that none of the nodes computes.</param>
/// <param name="Outputs">The wanted outputs of the nodes.</param>
public sealed record ConstantSubgraph(long IrVersion, OpsetImports Opsets, IReadOnlyList<Node> Nodes, IReadOnlyDictionary<Value, Tensor> Constants, IReadOnlyList<Value> Outputs);

/// <summary>Computes constants. Passes know runtimes only through this.</summary>
public interface IConstantEvaluator
{
    /// <summary>Computes the outputs of a group of nodes, in order.</summary>
    /// <returns>Null, and why, when they cannot be computed.</returns>
    IReadOnlyList<Tensor>? TryEvaluate(ConstantSubgraph subgraph, out string? reason);
}
