using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Gradients;

/// <summary>What to differentiate.</summary>
/// <param name="Weights">Binary32 constants of the main graph, the wanted gradients.</param>
/// <param name="Loss">The loss.</param>
/// <param name="InputShapes">Sizes of the model's inputs by name: the graph is made for these.</param>
public sealed record GradientRequest(IReadOnlyList<Value> Weights, GradientLossKind Loss, IReadOnlyDictionary<string, Shape> InputShapes)
{
    /// <summary>
    /// Per weight null for its gradient, or an axis to get, instead of the gradient ∂w, the gradients Σ w·∂w of factors on the positions of that axis, summed over all other axes: a vector of the axis's size.
    /// Null for gradients of all weights. Factors on what a layer reads cost much less than the gradient of its weight.
    /// </summary>
    public IReadOnlyList<int?>? GateAxes { get; init; }

    /// <summary>Gradients to give as factors (<see cref="GradientGraph.Factors"/>) where rules can.</summary>
    public FactorForm Factors { get; init; }

    /// <summary><see cref="FactorForm.All"/>: per weight whether a matrix's gradient is split, so that graphs for several input shapes agree; null to decide by sizes.</summary>
    public IReadOnlyList<bool>? SplitMatrices { get; init; }

    /// <summary>True if the weights are to be inputs of the graph, so that they can change from run to run.</summary>
    public bool WeightsAreInputs { get; init; }

    /// <summary>Outputs that <see cref="GradientLossKind.SquaredError"/> compares; empty for all floating point outputs.</summary>
    public IReadOnlyList<string> Outputs { get; init; } = [];

    /// <summary>Cross-entropy: true if an output may have class probabilities for each of several positions, as in recognition of text; labels need one row of scores per sample. Without any class scores the squared error is taken then.</summary>
    public bool AllowsPositions { get; init; }

    /// <summary>Finds types of values where inference rules end, by running the model; null when that is not possible.</summary>
    public Func<Model, IReadOnlyCollection<Value>, IReadOnlyDictionary<Value, ValueType>>? Observe { get; init; }
}

/// <summary>A model that computes a loss and its gradients in weights, made from a model by reverse-mode differentiation: plain ONNX, run by any runtime.</summary>
public sealed class GradientGraph : IDisposable
{
    private GradientGraph(Model model, IReadOnlyList<GradientTarget> targets, string loss, IReadOnlyList<string> weightInputs, IReadOnlyList<string?> gradients, IReadOnlyList<GradientFactors?> factors, ConvolutionChain? chain)
    {
        Model = model;
        Targets = targets;
        LossName = loss;
        WeightInputs = weightInputs;
        GradientNames = gradients;
        Factors = factors;
        Chain = chain;
    }

    /// <summary>The graph; its outputs are the loss and the gradients.</summary>
    public Model Model { get; }

    /// <summary>What to feed beside the model's inputs.</summary>
    public IReadOnlyList<GradientTarget> Targets { get; }

    /// <summary>Output that holds the loss, a scalar.</summary>
    public string LossName { get; }

    /// <summary>Inputs that take the weights, in the request's order; empty unless asked for.</summary>
    public IReadOnlyList<string> WeightInputs { get; }

    /// <summary>Outputs that hold the gradients, in the request's order and the weights' shapes (gates: vectors); null where the loss does not depend on the weight, or where there are factors.</summary>
    public IReadOnlyList<string?> GradientNames { get; }

    /// <summary>Pairs of outputs whose product is the gradient of a weight, in the request's order; null where there are none.</summary>
    public IReadOnlyList<GradientFactors?> Factors { get; }

    /// <summary>Convolutions whose backward pass, and so the gradients of their weights, are left to whoever runs the graph; null for none.</summary>
    public ConvolutionChain? Chain { get; }

    /// <summary>Whether the loss depends on a weight.</summary>
    public bool Reaches(int weight) => GradientNames[weight] is not null || Factors[weight] is not null || Chain?.Links.Any(l => l.Wanted == weight) == true;

    /// <summary>Differentiates.</summary>
    /// <exception cref="DiagnosticException">MCB4060 an operator has no rule, MCB4061 a size is not known, MCB3017 no output fits the loss.</exception>
    public static GradientGraph Build(Model source, GradientRequest request)
    {
        var copy = ModelCopy.Of(source, keepsDeclarations: false);
        copy.Model.IrVersion = Math.Max(4, source.IrVersion);
        var graph = copy.Model.Graph;
        var copies = new Dictionary<Value, Value>(copy.Values, ReferenceEqualityComparer.Instance);
        if (request.WeightsAreInputs)
            foreach (var weight in request.Weights.Distinct()) copies[weight] = ToInput(graph, copies[weight]);
        var weights = request.Weights.Select(w => copies[w]).ToArray();
        StateSizes(graph, request.InputShapes);
        var shapes = new StaticSizes(source, copies, request);
        var emit = new GradientEmitter(graph, source.OpsetImports.Onnx);
        new RecurrentUnrolling(graph, emit, shapes).Run();
        var forward = graph.Nodes.ToArray();
        var gates = new GateSums(emit, weights, request.GateAxes);
        var factors = new FactorOutputs(weights, request);
        var blocks = new ChannelBlocks(emit, request.Factors != FactorForm.None && !request.WeightsAreInputs);
        var chain = request.GateAxes is null ? new ChainSearch(weights, shapes.Of, blocks, factors, emit.Opset).Find(forward) : null;
        var pass = new BackwardPass(emit, shapes.Of, chain is null ? weights : [.. weights.Where(w => !chain.Has(w)), chain.Result], forward, gates, factors, blocks);
        var head = request.Loss == GradientLossKind.CrossEntropy ? CrossEntropyLoss.Attach(graph, emit, pass, request.AllowsPositions) : SquaredErrorLoss.Attach(graph, emit, pass, request.Outputs);
        pass.Run(forward);

        graph.TrimOutputs(0);
        pass.Finish(graph);
        AddOutput(graph, emit, head.Loss, []);
        var names = new string?[weights.Length];
        for (int i = 0; i < weights.Length; i++)
        {
            long[] dims = request.Weights[i].TryGetConstant(out var tensor) ? tensor.Dims.ToArray() : [];
            int? axis = request.GateAxes?[i];
            var gradient = axis is { } a ? gates.Result(weights[i], a, dims, pass.GradientOf(weights[i])) : pass.GradientOf(weights[i]);
            if (gradient is null) continue;
            names[i] = AddOutput(graph, emit, gradient, axis is { } gate ? [dims[gate]] : dims);
        }

        var split = weights.Select(w => factors.Of(w) is { } f ? f.Named(Share(f.Left), Share(f.Right)) : null).ToArray();
        var links = chain is not null && pass.GradientOf(chain.Result) is { } end ? chain.Named(weights, pass, end, Share) : null;
        RemoveUnused(graph);
        return new(copy.Model, head.Targets, head.Loss.Name, request.WeightsAreInputs ? [.. weights.Select(w => w.Name)] : [], names, split, links);

        string Share((Value Value, long[] Dims) part)
        {
            var value = pass.Final(part.Value);
            return graph.Outputs.Contains(value) && value.Producer is not null ? value.Name : AddOutput(graph, emit, value, part.Dims);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();

    /// <summary>Makes an input of a constant. As an output of the model, which is no output of the result, it stays.</summary>
    private static Value ToInput(OnnxGraph graph, Value weight)
    {
        if (!weight.TryGetConstant(out var tensor)) throw new ArgumentException($"'{weight.Name}' is no constant.");
        var input = graph.AddInput(graph.NewName(weight.Name), new TensorType(tensor.DataType, Shape.Of(tensor.Dims)));
        foreach (var use in weight.Uses.ToArray()) use.Node.SetInput(use.Index, input);
        if (weight.Producer is null && weight.IsUnused) graph.RemoveInitializer(weight);
        return input;
    }

    /// <summary>States the inputs' sizes as numbers: ONNX Runtime keeps products in blocks of channels only where it can tell that the sizes of forward and backward nodes are the same.</summary>
    private static void StateSizes(OnnxGraph graph, IReadOnlyDictionary<string, Shape> inputShapes)
    {
        foreach (var input in graph.Inputs)
            if (inputShapes.TryGetValue(input.Name, out var shape) && input.TensorType is { } type) input.Type = new TensorType(type.ElementType, shape);
    }

    /// <summary>Removes backward nodes whose results nobody takes, which a runtime would still compute.</summary>
    private static void RemoveUnused(OnnxGraph graph)
    {
        foreach (var node in graph.Nodes.Reverse().ToArray())
            if (node.Outputs.All(o => o is null || (o.Uses.Count == 0 && !o.IsGraphOutput && !o.IsReferencedByName))) graph.RemoveNode(node);
    }

    private static string AddOutput(OnnxGraph graph, GradientEmitter emit, Value value, ReadOnlySpan<long> dims)
    {
        // A value can be an output once; two weights may have the same gradient.
        if (value.IsGraphOutput || value.Producer is null) value = emit.Op("Identity", [value]);
        value.Type = new TensorType(DataType.Float, Shape.Of(dims));
        graph.AddOutput(value);
        return value.Name;
    }
}
