using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Costs;

/// <summary>Counts the multiply-accumulate operations of a model for given input sizes.</summary>
/// <remarks>
/// Of the branches of an <c>If</c> the more expensive one counts. A <c>Loop</c> counts as often as it is known to run, else once. Elementwise operators, pooling and normalization count nothing, as usual for this figure.
/// Nor does what is computed from constants alone, such as packed weights: a session does it once, when it is opened.
/// </remarks>
public static class CostModel
{
    /// <summary>The size that a dimension counts with when neither the inputs nor the rules give one: noted in <see cref="ModelCost.Notes"/>.</summary>
    public const long DefaultSize = 1;

    /// <summary>Measures a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="inputShapes">Input shapes by name, as the sample inputs have them. Dimensions of other inputs that are open count as <see cref="DefaultSize"/>.</param>
    public static ModelCost Measure(Model model, IReadOnlyDictionary<string, Shape> inputShapes)
    {
        var shapes = new Dictionary<string, Shape>(inputShapes, StringComparer.Ordinal);
        var notes = new List<string>();
        foreach (var input in model.Graph.Inputs)
        {
            if (input.Initializer is not null || shapes.ContainsKey(input.Name) || input.TensorType?.Shape is not { IsStatic: false } declared) continue;
            shapes[input.Name] = new Shape([.. declared.Dimensions.Select(d => d.IsKnown ? d : Bound(model, inputShapes, d) ?? DefaultSize)]);
            notes.Add($"open dimensions of input '{input.Name}' counted as {shapes[input.Name]}");
        }

        var counter = new MacCounter(model, ShapeInference.Evaluate(model, shapes), notes);
        long total = counter.Count(model.Graph);
        return new ModelCost(total, counter.Nodes, notes);
    }

    /// <summary>The size a symbol has in another input that is given.</summary>
    private static Dimension? Bound(Model model, IReadOnlyDictionary<string, Shape> inputShapes, Dimension dimension)
    {
        if (dimension.Symbol is null) return null;
        foreach (var input in model.Graph.Inputs)
        {
            if (!inputShapes.TryGetValue(input.Name, out var given) || input.TensorType?.Shape is not { } declared || declared.Rank != given.Rank) continue;
            for (int i = 0; i < given.Rank; i++)
                if (declared[i].Symbol == dimension.Symbol) return given[i];
        }

        return null;
    }
}
