using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>What computes with integers when the first so many of a sequence of operators stay float.</summary>
/// <param name="noise">Noise that each operator brings alone.</param>
/// <param name="exclude">All operators that stay float with the first so many.</param>
/// <param name="selector">Selects what follows from that.</param>
/// <param name="isWithin">Measures whether the outputs are close enough to the original's.</param>
internal sealed class FloatChoices(IReadOnlyDictionary<Node, double> noise, Func<int, IReadOnlyDictionary<Node, string>> exclude, NodeSelector selector, Func<IReadOnlyList<QuantizedNode>, bool> isWithin)
{
    private readonly Dictionary<int, (IReadOnlyDictionary<Node, string> Excluded, IReadOnlyList<QuantizedNode> Left)> choices = [];
    private readonly List<(Node[] Left, bool IsWithin)> measured = [];

    /// <summary>The operators that stay float, with the reason.</summary>
    public IReadOnlyDictionary<Node, string> Excluded(int count) => Of(count).Excluded;

    /// <summary>The noise to expect: that of several operators adds up roughly.</summary>
    public double ExpectedNoise(int count) => Of(count).Left.Sum(n => noise.GetValueOrDefault(n.Node));

    /// <summary>True if the outputs are close enough to the original's. Nothing is measured twice: where slow operators are left out too, neighbours may be equal.</summary>
    public bool IsWithin(int count)
    {
        var left = Of(count).Left;
        if (left.Count == 0) return true;
        Node[] nodes = [.. left.Select(n => n.Node)];
        foreach (var (known, result) in measured)
            if (known.SequenceEqual(nodes)) return result;
        measured.Add((nodes, isWithin(left)));
        return measured[^1].IsWithin;
    }

    private (IReadOnlyDictionary<Node, string> Excluded, IReadOnlyList<QuantizedNode> Left) Of(int count)
    {
        if (choices.TryGetValue(count, out var known)) return known;
        var excluded = exclude(count);
        return choices[count] = (excluded, selector.Select(excluded));
    }
}
