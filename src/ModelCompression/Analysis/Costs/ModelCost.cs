using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Costs;

/// <summary>Multiply-accumulate operations of one node.</summary>
/// <param name="Node">The node.</param>
/// <param name="Macs">Number in one run of the node; of a control-flow node, of what it runs.</param>
public sealed record NodeCost(Node Node, long Macs);

/// <summary>What one run of a model costs.</summary>
/// <param name="Macs">Multiply-accumulate operations of convolutions, matrix products, recurrent and attention layers.</param>
/// <param name="Nodes">Nodes that have any, in graph order; nodes inside branches and loops follow their control-flow node.</param>
/// <param name="Notes">What was assumed: sizes nobody knows, loops without a known number of rounds.</param>
public sealed record ModelCost(long Macs, IReadOnlyList<NodeCost> Nodes, IReadOnlyList<string> Notes);

/// <summary>How many numbers a model has learned.</summary>
/// <param name="Parameters">
/// Elements of all weights in their logical shapes: floating point constants of rank 1 and more, and weights stored as integers, however packed.
/// Scales, zero points and palettes do not count; a constant used several times counts once.
/// </param>
/// <param name="NonZeroParameters">Those that are not zero; null unless asked for.</param>
public sealed record ParameterCount(long Parameters, long? NonZeroParameters);
