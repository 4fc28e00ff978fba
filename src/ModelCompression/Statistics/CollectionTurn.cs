using ModelCompression.Onnx.Graph;

namespace ModelCompression.Statistics;

/// <summary>One of several collections over the same samples, each of which decides values of some inputs for those after it.</summary>
/// <param name="Tensors">Every tensor that the turn's plan asks for.</param>
/// <param name="Decided">Inputs of the model that samples have no values for: plans up to this one give the first values, those after it the final ones.</param>
public sealed record CollectionTurn(IReadOnlyList<Value> Tensors, IReadOnlyList<Value> Decided);
