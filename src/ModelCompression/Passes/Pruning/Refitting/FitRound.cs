using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Pruning.Refitting;

/// <summary>
/// One run over the samples: the original and the pruned model side by side in one graph, as far as the operators to fit need them.
/// </summary>
/// <param name="original">A copy of the model as it was.</param>
/// <param name="originals">The copy's values for those of the model.</param>
/// <param name="model">The pruned model as it stands.</param>
/// <param name="removal">What was removed.</param>
/// <param name="cancellation">Stops the measuring.</param>
internal sealed class FitRound(Model original, IReadOnlyDictionary<Value, Value> originals, Model model, ChannelRemoval removal, CancellationToken cancellation)
{
    private readonly Model twin = GraphCopy.Empty(model);
    private GraphCopy? before;
    private GraphCopy? after;

    /// <summary>The graph to run.</summary>
    public Model Twin => twin;

    private GraphCopy Before => before ??= GraphCopy.Start(original.Graph, twin.Graph);

    private GraphCopy After => after ??= GraphCopy.Start(model.Graph, twin.Graph);

    /// <summary>Asks for the moments of an operator's inputs in the pruned model and its wanted outputs.</summary>
    public RegressionStatistic Request(RefitTarget target, StatisticsPlan plan, int maxRowsPerSample)
    {
        var site = target.Linear;
        if (target.NeedsOnlyNorms)
        {
            // A graph needs a node, and an operator at the beginning reads an input of the graph.
            var x = After[site.X].Producer is null ? twin.Graph.AddNode("Identity", [After[site.X]], ["read"]).Outputs[0]! : After[site.X];
            return plan.Need(x, x, new RegressionStatistic(site.XRows, site.XRows, maxRowsPerSample, onlySquares: true, cancellation));
        }

        var wanted = Wanted(site);
        return plan.Need(After[site.X], wanted, new RegressionStatistic(site.XRows, TensorRows.Along(site.ChannelAxis), maxRowsPerSample, cancellation: cancellation));
    }

    /// <summary>
    /// What the operator should return: what it returned in the original, in the channels that stayed. Where its result is added to another branch, the sum counts, so
    /// that it makes up for the error of that branch, too.
    /// </summary>
    private Value Wanted(LinearSite site)
    {
        if (site.Y.Uses is not [{ Node: { } add, Index: var index }] || site.Y.IsGraphOutput || !add.Is("Add") || add.Input(1 - index) is not { } other
            || other.Producer is null || other.TryGetConstant(out _) || other == site.Y || !HaveSameShape(other, site.Y) || Dependencies.IsMadeFrom(other, site.Y)) return Kept(site.Y);
        return twin.Graph.AddNode("Sub", [Kept(add.Outputs[0]!), After[other]], ["wanted"]).Outputs[0]!;
    }

    /// <summary>A value of the original with only the channels that stayed.</summary>
    private Value Kept(Value value)
    {
        var result = Before[originals[value]];
        int rank = removal.Before(value).Rank;
        for (int axis = 0; axis < rank; axis++)
        {
            if (removal.Kept(value, axis) is not { } kept) continue;
            var indices = twin.Graph.AddInitializer("kept", Tensor.Int64([kept.Length], [.. kept.Select(i => (long)i)]));
            result = twin.Graph.AddNode("Gather", [result, indices], ["kept"], [NodeAttribute.Of("axis", axis)]).Outputs[0]!;
        }

        return result;
    }

    private bool HaveSameShape(Value a, Value b) => removal.Before(a).Equals(removal.Before(b));
}
