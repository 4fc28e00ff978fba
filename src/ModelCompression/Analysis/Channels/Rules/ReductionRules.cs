using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Channels.Rules;

/// <summary>Reductions: axes that are reduced must stay, the others pass through.</summary>
internal static class ReductionRules
{
    public static readonly IReadOnlyList<string> Operators =
        ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare", "ArgMax", "ArgMin"];

    public static void Reduce(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        int rank = tracer.RankOf(x);
        if (ReducedAxes(node, rank) is not { } reduced)
        {
            tracer.PinNode(node, $"the axes of {node.OpType} {node.DisplayName} are not known");
            return;
        }

        bool keeps = node.GetInt("keepdims", 1) != 0;
        bool normalizes = LayerStatistics.IsPartOf(node);
        int target = 0;
        for (int axis = 0; axis < rank; axis++)
        {
            if (!reduced.Contains(axis)) tracer.Tie(x, axis, y, keeps ? axis : target++);
            else if (!normalizes) tracer.Pin(x, axis, $"{node.OpType} {node.DisplayName} runs over it");
            else if (tracer.SizeOf(x, axis) > 0) tracer.Normalized.Add((x, axis));
        }
    }

    private static HashSet<int>? ReducedAxes(Node node, int rank)
    {
        if (node.OpType is "ArgMax" or "ArgMin") return [ConstantIntegers.Axis(node.GetInt("axis", 0), rank)];
        var axes = ConstantIntegers.Of(node, "axes", 1);
        if (axes is null && node.Input(1) is not null) return null;
        if (axes is { Length: > 0 }) return [.. axes.Select(a => ConstantIntegers.Axis(a, rank))];
        return node.GetInt("noop_with_empty_axes", 0) != 0 ? [] : [.. Enumerable.Range(0, rank)];
    }
}

/// <summary>Recognizes the mean and the variance of a layer normalization that is written out as single operators.</summary>
internal static class LayerStatistics
{
    /// <summary>
    /// True for ReduceMean(x) whose result is subtracted from x, and for ReduceMean((x − mean)²): removing channels then leaves the statistics of those that stay.
    /// </summary>
    public static bool IsPartOf(Node node) =>
        node.Is("ReduceMean") && node.GetInt("keepdims", 1) != 0 && (IsMean(node) || IsVariance(node));

    private static bool IsMean(Node node) =>
        node.Outputs[0]!.Uses is { Count: > 0 } uses && uses.All(u => u.Node.Is("Sub") && u.Index == 1 && u.Node.Input(0) == node.Input(0));

    private static bool IsVariance(Node node) =>
        node.Input(0)?.Producer is { } square && square.OpType is "Pow" or "Mul" && square.Input(0)?.Producer is { } centred && centred.Is("Sub")
        && (square.OpType == "Pow" || square.Input(1) == square.Input(0)) && centred.Input(1)?.Producer is { } mean && mean.Is("ReduceMean") && mean.Input(0) == centred.Input(0);
}
