using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Channels;

/// <summary>
/// The channels of a model that can be removed: which positions of which axes only go together, found by following every operator's rule through the graph.
/// </summary>
/// <remarks>
/// Positions of axes are joined in disjoint sets: the filters of a convolution with the channels they make, those with the same channels behind activations, additions,
/// concatenations, reshapes, up to the input channels of the weights that read them. Sets that reach the model's interface or an operator that cannot lose positions stay.
/// What is left falls into groups whose units are interchangeable. The idea of dependency groups is that of Fang, Ma, Song, Mi, Wang, "DepGraph: Towards Any Structural Pruning",
/// CVPR 2023; following single positions instead of whole dimensions makes concatenation, slices, heads and flattened pictures exact.
/// </remarks>
public sealed class ChannelGroups
{
    private readonly ChannelTracer tracer;

    private ChannelGroups(ChannelTracer tracer, ShapeInferenceResult shapes)
    {
        this.tracer = tracer;
        Shapes = shapes;
        Groups = new GroupCollector(tracer).Collect();
    }

    /// <summary>Groups of removable channels in graph order.</summary>
    public IReadOnlyList<ChannelGroup> Groups { get; }

    /// <summary>The shapes that were found on the way.</summary>
    public ShapeInferenceResult Shapes { get; }

    /// <summary>Finds the groups of a model. Nothing is changed but inferred types.</summary>
    public static ChannelGroups Find(Model model)
    {
        var shapes = ShapeInference.Run(model);
        var tracer = new ChannelTracer(shapes, model.OpsetImports.Onnx);
        PinInterface(model, tracer);
        foreach (var graph in model.Graph.SelfAndSubgraphs())
            foreach (var node in graph.Nodes) ChannelRules.Apply(node, tracer);
        ProductResolution.Run(tracer);
        return new(tracer, shapes);
    }

    /// <summary>Why no position of an axis can go, or null when one can, or when nothing is known of the axis.</summary>
    public string? WhyKept(Value value, int axis)
    {
        if (tracer.SizeOf(value, axis) is not (> 0 and var size)) return tracer.ShapeOf(value)?[axis].Size == 1 ? "it has a single channel" : "its size is not known";
        int start = tracer.Start(value, axis);
        for (int i = 0; i < size; i++)
            if (tracer.Labels.WhyPinned(start + i) is null) return null;
        return tracer.Labels.WhyPinned(start);
    }

    private static void PinInterface(Model model, ChannelTracer tracer)
    {
        foreach (var graph in model.Graph.SelfAndSubgraphs())
        {
            foreach (var input in graph.Inputs)
                if (input.Initializer is null || model.IrVersion >= 4) tracer.PinAll(input, graph == model.Graph ? $"it is an axis of the model's input '{input.Name}'" : "it is passed into a subgraph");
            foreach (var output in graph.Outputs)
                tracer.PinAll(output, graph == model.Graph ? $"it is an axis of the model's output '{output.Name}'" : "it is passed out of a subgraph");
            foreach (var initializer in graph.Initializers)
                if (initializer.IsReferencedByName) tracer.PinAll(initializer, "training information refers to it");
        }
    }
}
