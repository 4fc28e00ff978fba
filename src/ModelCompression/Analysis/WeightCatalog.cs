using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis;

/// <summary>A floating point constant that cannot be treated as a weight, and why.</summary>
/// <param name="Value">The constant.</param>
/// <param name="Tensor">Its content.</param>
/// <param name="Reason">Why not.</param>
public sealed record UntreatedConstant(Value Value, Tensor Tensor, string Reason);

/// <summary>All stored floating point weights of a model, wherever they are kept: initializers, <c>Constant</c> nodes, subgraphs, functions.</summary>
public sealed class WeightCatalog
{
    private WeightCatalog(IReadOnlyList<WeightSite> weights, IReadOnlyList<UntreatedConstant> others)
    {
        Weights = weights;
        Others = others;
    }

    /// <summary>Weights in graph order.</summary>
    public IReadOnlyList<WeightSite> Weights { get; }

    /// <summary>Other floating point constants (biases, norms, tables of unknown use) in graph order.</summary>
    public IReadOnlyList<UntreatedConstant> Others { get; }

    /// <summary>Scans a model.</summary>
    public static WeightCatalog Of(Model model)
    {
        var weights = new List<WeightSite>();
        var others = new List<UntreatedConstant>();
        foreach (var graph in model.AllGraphs())
        {
            foreach (var value in ConstantsOf(graph))
            {
                if (!value.TryGetConstant(out var tensor) || !tensor.DataType.IsFloatingPoint() || value.IsUnused) continue;
                var uses = new List<WeightUse>();
                string? reason = WhyUntouchable(value) ?? CollectUses(model, value, tensor, uses);
                if (reason is null) weights.Add(new WeightSite(value, tensor, uses));
                else others.Add(new UntreatedConstant(value, tensor, reason));
            }
        }

        return new WeightCatalog(weights, others);
    }

    /// <summary>Stored constants of a graph without its subgraphs: initializers, then outputs of <c>Constant</c> nodes.</summary>
    internal static IEnumerable<Value> ConstantsOf(OnnxGraph graph)
    {
        foreach (var value in graph.Initializers) yield return value;
        foreach (var node in graph.Nodes)
            if (node.Is("Constant") && node.Output() is { } output) yield return output;
    }

    /// <summary>Why a constant cannot change whatever its uses are; null when it can.</summary>
    internal static string? WhyUntouchable(Value value) =>
        value.IsGraphOutput ? "returned by a graph"
        : value.IsReferencedByName ? "referenced by training information"
        : null;

    private static string? CollectUses(Model model, Value value, Tensor tensor, List<WeightUse> uses)
    {
        foreach (var use in value.Uses)
        {
            if (TryClassify(use, tensor) is { } roles) uses.AddRange(roles);
            else return WhyNoWeight(model, use, tensor);
        }

        return null;
    }

    /// <summary>What a constant does in a use: one role, or one for each reader behind a Transpose; null when it is no weight there.</summary>
    internal static IReadOnlyList<WeightUse>? TryClassify(Use use, Tensor tensor) =>
        WeightRoles.TryClassify(use.Node, use.Index, tensor, out var role) ? [role] : BehindTranspose(use, tensor);

    private static string WhyNoWeight(Model model, Use use, Tensor tensor)
    {
        if (ConvertedWeights.Readers(use) is [var reader, ..]) return WhyNoWeight(model, reader, tensor) + " behind a Cast";
        var node = use.Node;
        string input = FormattableString.Invariant($"used by {node.OpType} as input {use.Index}");
        if (model.Functions.Any(f => f.Name == node.OpType && f.Domain == node.Domain)) return $"{input}: handed to a function of the model, which every call may give another";
        if (!node.Is("Gather") || use.Index != 0) return input;
        return tensor.Rank == 2
            ? FormattableString.Invariant($"{input} with axis {node.GetInt("axis", 0)}: only tables whose rows are picked (axis 0) are treated as weights")
            : FormattableString.Invariant($"{input} with {tensor.Rank} axes: only tables of rows, with two, are treated as weights");
    }

    /// <summary>
    /// A table that Gather reads and a classifier reads transposed, as of language models that share their embeddings: transposed beforehand it would have to be stored twice.
    /// The operators behind the Transpose say which axis is which.
    /// </summary>
    private static List<WeightUse>? BehindTranspose(Use use, Tensor tensor)
    {
        if (!use.Node.Is("Transpose") || tensor.Rank != 2 || use.Node.GetInts("perm") is { Count: > 0 } and not [1, 0]) return null;
        if (use.Node.Output() is not { IsGraphOutput: false, IsReferencedByName: false } transposed) return null;
        var behind = new List<WeightUse>();
        foreach (var reader in transposed.Uses)
        {
            if (!WeightRoles.TryClassify(reader.Node, reader.Index, tensor, out var weight) || weight.ChannelAxes is not [var channel]) return null;
            behind.Add(new(use.Node, use.Index, WeightRole.TensorProduct, [1 - channel], 1 - weight.ReductionAxis) { Operator = reader.Node });
        }

        return behind.Count > 0 ? behind : null;
    }
}
