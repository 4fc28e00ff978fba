using ModelCompression.Analysis.Channels;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>Judges how much each unit of a channel group matters.</summary>
/// <remarks>
/// Scores are compared within a group as they are. To rank units of different groups they are divided by the mean of their group, so a scorer need not care about the scale of a layer.
/// </remarks>
public interface IChannelScorer
{
    /// <summary>The criterion it implements.</summary>
    PruningCriterion Criterion { get; }

    /// <summary>Scores the units of all groups.</summary>
    /// <param name="model">The model as it stands; it must not be changed.</param>
    /// <param name="groups">The groups to score, with the options that hold for each.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <returns>One score list per group, in the same order.</returns>
    IReadOnlyList<ChannelScores> Score(Model model, IReadOnlyList<ScoredGroup> groups, CancellationToken cancellation);
}

/// <summary>A group to be scored.</summary>
/// <param name="Group">The group.</param>
/// <param name="Options">The options of the nodes that make its channels.</param>
public sealed record ScoredGroup(ChannelGroup Group, CompressionOptions Options);

/// <summary>Scores of the units of one group.</summary>
/// <param name="Values">One number ≥ 0 per unit; the smallest go first, among equal ones the first.</param>
/// <param name="Removable">
/// Null to remove the share that <c>Sparsity</c> states; else exactly the units marked here go (thresholds), as far as the rules about kept counts allow.
/// </param>
public sealed record ChannelScores(double[] Values, bool[]? Removable = null)
{
    /// <summary>Why the criterion cannot judge these units, which then all stay; null when it can.</summary>
    public string? WhyNot { get; init; }
}
