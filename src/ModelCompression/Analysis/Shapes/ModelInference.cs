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

    private readonly IReadOnlyDictionary<string, Shape> inputShapes;
    private readonly Dictionary<string, Dimension> sizes = new(StringComparer.Ordinal);

    /// <param name="model">The model.</param>
    /// <param name="inputShapes">Shapes of inputs that hold in this run only, or null.</param>
    public ModelInference(Model model, IReadOnlyDictionary<string, Shape>? inputShapes = null)
    {
        this.model = model;
        this.inputShapes = inputShapes ?? new Dictionary<string, Shape>();
    }

    /// <summary>Infers and stores the types.</summary>
    public ShapeInferenceResult Run()
    {
        Infer();
        return Collect(stores: true);
    }

    /// <summary>Infers without storing.</summary>
    public ShapeInferenceResult Evaluate()
    {
        Infer();
        return Collect(stores: false);
    }

    private void Infer()
    {
        foreach (var input in model.Graph.Inputs)
            if (input.TensorType?.Shape is { } shape)
                foreach (var dimension in shape.Dimensions)
                    if (dimension.Symbol is { } symbol && inputSymbols.Add(symbol)) state.Symbols.Declare(symbol);
        foreach (var input in model.Graph.Inputs) BindSymbols(input);
        foreach (var graph in model.Graph.SelfAndSubgraphs()) SeedDeclared(graph);
        foreach (var input in model.Graph.Inputs) state.SetInput(input, Bound(input, state.Declared.GetValueOrDefault(input)));

        var walker = new GraphInference(model, state);
        walker.Infer(model.Graph, model.OpsetImports, null);
        state.Finish();
    }

    /// <summary>Notes which symbols of an input get a size from its given shape.</summary>
    private void BindSymbols(Value input)
    {
        if (!inputShapes.TryGetValue(input.Name, out var given) || input.TensorType?.Shape is not { } declared || declared.Rank != given.Rank) return;
        for (int i = 0; i < given.Rank; i++)
            if (declared[i].Symbol is { } symbol && given[i].IsKnown) sizes.TryAdd(symbol, given[i]);
    }

    private ValueType? Bound(Value input, ValueType? declared)
    {
        if (declared is not TensorType tensor) return declared;
        return inputShapes.TryGetValue(input.Name, out var given) ? tensor with { Shape = given } : tensor;
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
        : new Shape([.. shape.Dimensions.Select(d => d.Size >= 0 ? d with { Denotation = null }
            : d.Symbol is not { } symbol || !inputSymbols.Contains(symbol) ? default
            : sizes.TryGetValue(symbol, out var size) ? size : d with { Denotation = null })]);

    private ShapeInferenceResult Collect(bool stores)
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
                if (stores && type is not null && !(isInterface && value.Type is not null)) value.Type = type;
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
