using ModelCompression.Onnx.Graph;
using ModelCompression.Passes.Sensitivity;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Finds the linear operators that must stay float for the outputs to stay close to the original's.</summary>
/// <remarks>
/// The noise that each operator brings to the outputs when it alone is quantized is measured, not estimated from its weights. Operators are left float in the order of noise per saved
/// multiplication, as few as give the wanted ratio; noise of several operators adds up only roughly, so the number is found by bisection with measurements of the whole model.
/// </remarks>
/// <param name="selector">Selects what follows from a choice of linear operators.</param>
/// <param name="sensitivity">Measures.</param>
/// <param name="maxNoiseToSignal">Wanted ratio.</param>
internal sealed class FloatNodeSearch(NodeSelector selector, NodeSensitivity sensitivity, double maxNoiseToSignal)
{
    /// <summary>Operators to leave float, with the reason, added to those excluded already.</summary>
    /// <param name="excluded">Excluded already.</param>
    /// <param name="work">Work per linear operator.</param>
    public IReadOnlyDictionary<Node, string> Run(IReadOnlyDictionary<Node, string> excluded, IReadOnlyDictionary<Node, NodeWork> work)
    {
        var nodes = selector.Select(excluded);
        if (sensitivity.Measure(nodes) <= maxNoiseToSignal) return excluded;
        var linear = nodes.Where(n => n.Role == StaticRole.Linear).ToArray();
        var noise = linear.ToDictionary(n => n.Node, n => sensitivity.MeasureAlone(n, nodes));
        var order = linear.OrderByDescending(n => noise[n.Node] / work[n.Node].Products).Select(n => n.Node).ToArray();
        int low = 1, high = order.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            var candidates = selector.Select(With(excluded, order[..middle], noise));
            if (candidates.Count == 0 || sensitivity.Measure(candidates) <= maxNoiseToSignal) high = middle;
            else low = middle + 1;
        }

        return With(excluded, order[..low], noise);
    }

    private static Dictionary<Node, string> With(IReadOnlyDictionary<Node, string> excluded, Node[] nodes, Dictionary<Node, double> noise)
    {
        var all = new Dictionary<Node, string>(excluded, ReferenceEqualityComparer.Instance);
        foreach (var node in nodes) all.Add(node, FormattableString.Invariant($"sensitive: alone in integers it leaves the outputs at {OutputReference.Decibels(noise[node]):F1} dB"));
        return all;
    }
}
