using ModelCompression.Analysis;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization.NBits;

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
    /// <summary>How finely the weight is stored.</summary>
    public WeightPrecision Precision { get; init; } = WeightPrecision.Plain;

    /// <summary>The weight in blocks where that is possible; used when <see cref="Precision"/> has blocks.</summary>
    public BlockShape? Blocks { get; init; }

    /// <summary>The layout of the codes with <see cref="WeightForm.ProductBlocks"/>, else null.</summary>
    public ProductBlocks? Product { get; init; }

    /// <summary>Ranges of the blocks, or of the channels when there are no blocks, if they are known already.</summary>
    public ChannelRanges? Ranges { get; init; }

    /// <summary>How long the names of what the weight becomes will be.</summary>
    public NameStyle Names { get; init; } = NameStyle.AsMade;

    /// <summary>What is known of the inputs of a convolution, and takes what its rounded filters leave; null when nobody asks.</summary>
    public FilterOffsets? Offsets { get; init; }

    /// <summary>True when the planner may give the weight more bytes than one code per element to protect accuracy.</summary>
    public bool IsAdaptive { get; init; }

    /// <summary>The same weight unpacked when a session is created, with a scale per channel.</summary>
    /// <param name="reason">Why it does not get the form planned.</param>
    public WeightPlan AsFolded(string reason) =>
        this with { Form = WeightForm.Folded, Product = null, Layout = ChannelLayout.Of(Site.Tensor.Dims, ChannelAxes), Note = $"folded: {reason}" };

    /// <summary>Description for the report.</summary>
    public string Action => Precision.IsHalf ? $"weight-only float16, {FormName}" : $"weight-only {CodeName} per {ScaleName}, {FormName}";

    private string CodeName => Precision.IsWide ? FormattableString.Invariant($"{Precision.Bits} bit") : Precision.IsCurved ? FormattableString.Invariant($"{Precision.Bits}-bit levels") : Codes.IsSymmetric ? "int8" : "uint8";

    private string ScaleName => Precision.HasBlocks ? FormattableString.Invariant($"block of {Blocks!.ElementsPerScale}")
        : Product is { HasOwnScales: true } ? FormattableString.Invariant($"block of {Product.BlockLength}")
        : ChannelAxes.Count == 0 ? "tensor" : "channel";

    private string FormName => Form switch
    {
        WeightForm.Dequantized => "DequantizeLinear",
        WeightForm.ProductBlocks => "MatMulNBits",
        WeightForm.GatheredRows => "rows unpacked after Gather",
        _ => "folded",
    };
}

/// <summary>Length of names inside a model, for what bytes are expected.</summary>
/// <param name="ByteLength">Typical length of a name that is made for a new value.</param>
/// <param name="IsShortened">True if all inner names will be as short.</param>
internal readonly record struct NameStyle(int ByteLength, bool IsShortened)
{
    /// <summary>Names stay as <see cref="WeightNames"/> makes them.</summary>
    public static NameStyle AsMade => new(6, false);

    /// <summary>Names that <see cref="Simplification.ShortenNames"/> will give.</summary>
    public static NameStyle Shortened => new(2, true);
}

/// <summary>A decision: a plan, or the reason why there is none.</summary>
/// <param name="Site">The weight.</param>
/// <param name="Plan">The plan, or null.</param>
/// <param name="Reason">Why not; empty with a plan.</param>
internal sealed record WeightDecision(WeightSite Site, WeightPlan? Plan, string Reason)
{
    /// <summary>The plan where the settings ask for n-bit codes; then <see cref="Plan"/> is null.</summary>
    public NBitPlan? NBits { get; init; }
}

/// <summary>A graph as a place for new constants and nodes.</summary>
/// <param name="Graph">The graph that owns the weight.</param>
/// <param name="Opset">Version of the standard operators there.</param>
/// <param name="UsesConstantNodes">True where initializers cannot be added: function bodies have none, and before IR 4 each has to be a graph input.</param>
internal sealed record GraphTarget(OnnxGraph Graph, long Opset, bool UsesConstantNodes)
{
    /// <summary>The first IR version in which an initializer need not be a graph input.</summary>
    private const long FreeInitializersIrVersion = 4;

    /// <summary>True inside a function, whose opset imports are its own.</summary>
    public bool IsInFunction { get; init; }

    /// <summary>Targets of all graphs of a model.</summary>
    public static IReadOnlyDictionary<OnnxGraph, GraphTarget> AllOf(Model model)
    {
        var targets = new Dictionary<OnnxGraph, GraphTarget>(ReferenceEqualityComparer.Instance);
        foreach (var graph in model.Graph.SelfAndSubgraphs())
            targets[graph] = new(graph, model.OpsetImports.Onnx, model.IrVersion < FreeInitializersIrVersion);
        foreach (var function in model.Functions)
        {
            foreach (var graph in function.Body.SelfAndSubgraphs())
                targets[graph] = new(graph, function.OpsetImports.Onnx, graph == function.Body || model.IrVersion < FreeInitializersIrVersion) { IsInFunction = true };
        }

        return targets;
    }
}
