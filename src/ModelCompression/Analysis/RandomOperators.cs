using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis;

/// <summary>Operators that give other values at every run, whatever they are fed: two runs of such a model cannot be compared, and what one run shows decides nothing.</summary>
/// <remarks>A <c>seed</c> attribute fixes the values of one session only.</remarks>
internal static class RandomOperators
{
    private static readonly HashSet<string> Names = new(StringComparer.Ordinal)
    {
        "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli",
    };

    /// <summary>The type of the first one in the model or its subgraphs, or null.</summary>
    public static string? FirstIn(Model model) =>
        model.AllGraphs().SelectMany(g => g.Nodes).FirstOrDefault(n => n.IsOnnxDomain && Names.Contains(n.OpType))?.OpType;
}
