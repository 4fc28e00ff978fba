using ModelCompression.Analysis;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization;

/// <summary>What will be done with one weight.</summary>
/// <param name="Site">The weight and its consumers.</param>
/// <param name="Options">Options all consumers agree on.</param>
/// <param name="ChannelAxes">Axes along which scales vary; empty for one scale.</param>
/// <param name="Layout">The same as strides.</param>
/// <param name="Codes">Integers a weight may become.</param>
/// <param name="Form">Form in the graph.</param>
/// <param name="Target">Where the constants and nodes go.</param>
/// <param name="Note">Why another form than the one asked for; empty otherwise.</param>
internal sealed record WeightPlan(
    WeightSite Site,
    CompressionOptions Options,
    IReadOnlyList<int> ChannelAxes,
    ChannelLayout Layout,
    CodeRange Codes,
    WeightForm Form,
    GraphTarget Target,
    string Note)
{
    /// <summary>Description for the report.</summary>
    public string Action => $"weight-only {(Codes.IsSymmetric ? "int8" : "uint8")} per {(ChannelAxes.Count == 0 ? "tensor" : "channel")}, {FormName}";

    private string FormName => Form switch
    {
        WeightForm.Dequantized => "DequantizeLinear",
        WeightForm.GatheredRows => "rows unpacked after Gather",
        _ => "folded",
    };
}

/// <summary>A decision: a plan, or the reason why there is none.</summary>
/// <param name="Site">The weight.</param>
/// <param name="Plan">The plan, or null.</param>
/// <param name="Reason">Why not; empty with a plan.</param>
internal sealed record WeightDecision(WeightSite Site, WeightPlan? Plan, string Reason);

/// <summary>A graph as a place for new constants and nodes.</summary>
/// <param name="Graph">The graph that owns the weight.</param>
/// <param name="Opset">Version of the standard operators there.</param>
/// <param name="UsesConstantNodes">True where initializers cannot be added: function bodies have none, and before IR 4 each has to be a graph input.</param>
internal sealed record GraphTarget(OnnxGraph Graph, long Opset, bool UsesConstantNodes)
{
    /// <summary>The first IR version in which an initializer need not be a graph input.</summary>
    private const long FreeInitializersIrVersion = 4;

    /// <summary>Targets of all graphs of a model.</summary>
    public static IReadOnlyDictionary<OnnxGraph, GraphTarget> AllOf(Model model)
    {
        var targets = new Dictionary<OnnxGraph, GraphTarget>(ReferenceEqualityComparer.Instance);
        foreach (var graph in model.Graph.SelfAndSubgraphs())
            targets[graph] = new(graph, model.OpsetImports.Onnx, model.IrVersion < FreeInitializersIrVersion);
        foreach (var function in model.Functions)
        {
            foreach (var graph in function.Body.SelfAndSubgraphs())
                targets[graph] = new(graph, function.OpsetImports.Onnx, graph == function.Body || model.IrVersion < FreeInitializersIrVersion);
        }

        return targets;
    }
}
