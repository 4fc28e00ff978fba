using ModelCompression.Onnx.Graph;
using ModelCompression.Passes.Sensitivity;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Finds the linear operators that should stay float: because integers do not make them faster, or because the outputs would not stay close to the original's.</summary>
/// <remarks>
/// Time is estimated, see <see cref="TimeEstimate"/>: operators are left float one after the other as long as that saves time, conversions between integers and floats included. The noise that each
/// operator brings to the outputs when it alone is quantized is measured, not estimated from its weights. Those that bring too much alone are left float, and others in the order of noise per saved
/// time, as few as give the wanted ratio. Noise of several operators adds up only roughly: the sum tells where to look for the number with measurements of the whole model. What is left in integers is
/// looked at once more for its time.
/// </remarks>
/// <param name="selector">Selects what follows from a choice of linear operators.</param>
/// <param name="sensitivity">Measures.</param>
/// <param name="time">Estimates time.</param>
/// <param name="maxNoiseToSignal">Wanted ratio.</param>
internal sealed class FloatNodeSearch(NodeSelector selector, NodeSensitivity sensitivity, TimeEstimate time, double maxNoiseToSignal)
{
    /// <summary>Why an operator is left float that integers would not make faster.</summary>
    public const string NoGain = "integers would not be faster here, conversions included";

    /// <summary>Operators to leave float, with the reason, added to those excluded already.</summary>
    /// <param name="excluded">Excluded already.</param>
    public IReadOnlyDictionary<Node, string> Run(IReadOnlyDictionary<Node, string> excluded)
    {
        var kept = WithoutSlow(excluded);
        var nodes = selector.Select(kept);
        if (nodes.Count == 0 || sensitivity.IsWithin(nodes, maxNoiseToSignal)) return kept;
        var linear = nodes.Where(n => n.Role == StaticRole.Linear).ToArray();
        var noise = sensitivity.MeasureAlone(linear, nodes, maxNoiseToSignal);
        bool IsTooMuch(Node node) => noise[node] > maxNoiseToSignal;
        var order = linear.OrderByDescending(n => IsTooMuch(n.Node) ? double.PositiveInfinity : noise[n.Node] / Math.Max(1, time.SavedBy(n))).Select(n => n.Node).ToArray();
        var choices = new FloatChoices(noise, count => WithoutSlow(With(kept, order[..count], noise)), selector, left => sensitivity.IsWithin(left, maxNoiseToSignal));
        int fewest = Math.Max(1, order.Count(IsTooMuch));
        int likely = SmallestCount.Find(fewest, order.Length, (fewest + order.Length) / 2, count => choices.ExpectedNoise(count) <= maxNoiseToSignal);
        // That one less is too few shows on the first samples.
        return choices.Excluded(SmallestCount.Find(fewest, order.Length, likely - 1, choices.IsWithin));
    }

    /// <summary>Leaves operators float as long as that saves time; all, if nothing is saved in the end.</summary>
    private IReadOnlyDictionary<Node, string> WithoutSlow(IReadOnlyDictionary<Node, string> excluded)
    {
        var all = new Dictionary<Node, string>(excluded, ReferenceEqualityComparer.Instance);
        var nodes = selector.Select(all);
        double saved = time.Saved(nodes);
        bool improves = true;
        while (improves)
        {
            improves = false;
            foreach (var node in nodes.Where(n => n.Role == StaticRole.Linear).OrderBy(time.SavedBy))
            {
                all.Add(node.Node, NoGain);
                var others = selector.Select(all);
                double without = time.Saved(others);
                if (without > saved) (saved, nodes, improves) = (without, others, true);
                else all.Remove(node.Node);
            }
        }

        if (saved > 0) return all;
        foreach (var node in nodes)
            if (node.Role == StaticRole.Linear) all.Add(node.Node, NoGain);
        return all;
    }

    private static Dictionary<Node, string> With(IReadOnlyDictionary<Node, string> excluded, Node[] nodes, IReadOnlyDictionary<Node, double> noise)
    {
        var all = new Dictionary<Node, string>(excluded, ReferenceEqualityComparer.Instance);
        foreach (var node in nodes) all.Add(node, FormattableString.Invariant($"sensitive: alone in integers it leaves the outputs at {OutputReference.Decibels(noise[node]):F1} dB"));
        return all;
    }
}
