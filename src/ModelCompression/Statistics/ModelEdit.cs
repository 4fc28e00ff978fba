using ModelCompression.Onnx.Graph;

namespace ModelCompression.Statistics;

/// <summary>One of several edits of a model that are tried one at a time.</summary>
/// <param name="Changed">Values of the model that the edit computes in another way; whatever does not depend on them is the same.</param>
/// <param name="Make">Makes the edited copy, with a plan for tensors that it returns. May be called while another edit is being made.</param>
public sealed record ModelEdit(IReadOnlyList<Value> Changed, Func<(ModelCopy Copy, StatisticsPlan Plan)> Make);
