using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Analysis.Shapes;

/// <summary>One run of inference over a model: seeds the facts, walks the main graph, stores the result.</summary>
internal sealed class ModelInference
{
    private readonly Model model;
    private readonly InferenceState state = new();
    private readonly HashSet<string> inputSymbols = new(StringComparer.Ordinal);

    public ModelInference(Model model) => this.model = model;

    public ShapeInferenceResult Run()
    {
        foreach (var input in model.Graph.Inputs)
            if (input.TensorType?.Shape is { } shape)
                foreach (var dimension in shape.Dimensions)
                    if (dimension.Symbol is { } symbol && inputSymbols.Add(symbol)) state.Symbols.Declare(symbol);
        foreach (var graph in model.Graph.SelfAndSubgraphs()) SeedDeclared(graph);
        foreach (var input in model.Graph.Inputs) state.SetInput(input, state.Declared.GetValueOrDefault(input));

        var walker = new GraphInference(model, state);
        walker.Infer(model.Graph, model.OpsetImports, null);
        state.Finish();
        return Store();
    }

    private void SeedDeclared(OnnxGraph graph)
    {
        foreach (var value in ValuesOf(graph))
            if (value.Type is { } type) state.Declared[value] = Normalize(type);
    }

    /// <summary>
    /// Keeps of a declared type what can be relied on: negative sizes are how some exporters write "unknown", and symbols count only
    /// when they are the caller's, those of the model's inputs.
    /// </summary>
    private ValueType Normalize(ValueType type) => type switch
    {
        TensorType t => t with { Shape = Normalize(t.Shape) },
        SparseTensorType t => t with { Shape = Normalize(t.Shape) },
        SequenceType { Element: { } element } s => s with { Element = Normalize(element) },
        OptionalType { Element: { } element } o => o with { Element = Normalize(element) },
        _ => type,
    };

    private Shape? Normalize(Shape? shape) => shape is null
        ? null
        : new Shape([.. shape.Dimensions.Select(d => d.Size >= 0 || (d.Symbol is { } s && inputSymbols.Contains(s)) ? d with { Denotation = null } : default)]);

    private ShapeInferenceResult Store()
    {
        var values = new List<Value>();
        var unresolved = new List<UnresolvedValue>();
        foreach (var graph in model.AllGraphs())
        {
            foreach (var value in ValuesOf(graph))
            {
                values.Add(value);
                var type = state.TypeOf(value);
                bool isInterface = graph == model.Graph && (value.IsGraphInput || value.OutputOf.Contains(graph));
                if (type is not null && !(isInterface && value.Type is not null)) value.Type = type;
                if (!TypeLattice.IsResolved(type ?? value.Type)) unresolved.Add(new(value, state.ReasonOf(value) ?? GraphInference.DefaultReason(value)));
            }
        }

        var position = values.Select((v, i) => (v, i)).ToDictionary(p => p.v, p => p.i);
        var contradictions = state.Contradictions.OrderBy(c => position.GetValueOrDefault(c.Value, int.MaxValue)).ToList();
        return new(state.TypeOf, values, unresolved, contradictions);
    }

    private static IEnumerable<Value> ValuesOf(OnnxGraph graph)
    {
        foreach (var input in graph.Inputs) yield return input;
        foreach (var initializer in graph.Initializers)
            if (!initializer.IsGraphInput) yield return initializer;
        foreach (var node in graph.Nodes)
            foreach (var output in node.Outputs)
                if (output is not null) yield return output;
    }
}
