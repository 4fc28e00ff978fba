using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis;

/// <summary>Weights that are stored in another floating point type than their operators compute with, as binary16 is: a Cast converts them.</summary>
/// <remarks>A use names the Cast as its node, and what computes behind it as its operator.</remarks>
internal static class ConvertedWeights
{
    /// <summary>Those of <paramref name="catalog"/>'s constants that operators use as weights behind Casts, and only so; in graph order.</summary>
    public static IEnumerable<WeightSite> Of(WeightCatalog catalog) =>
        catalog.Others.Select(o => UsesOf(o.Value, o.Tensor) is { } uses ? new WeightSite(o.Value, o.Tensor, uses) : null).OfType<WeightSite>();

    /// <summary>Who reads what a use converts; empty when it is no Cast, or when somebody else may see what it yields.</summary>
    public static IReadOnlyList<Use> Readers(Use use) =>
        use.Node.Is("Cast") && !use.Node.IsParameterized && use.Node.Output() is { IsGraphOutput: false, IsReferencedByName: false } output ? output.Uses : [];

    private static List<WeightUse>? UsesOf(Value value, Tensor tensor)
    {
        if (WeightCatalog.WhyUntouchable(value) is not null) return null;
        var uses = new List<WeightUse>();
        foreach (var use in value.Uses)
        {
            var readers = Readers(use);
            if (readers.Count == 0) return null;
            foreach (var reader in readers)
            {
                if (WeightCatalog.TryClassify(reader, tensor) is not { } behind) return null;
                uses.AddRange(behind.Select(b => b with { Node = use.Node, InputIndex = use.Index, Operator = b.Operator }));
            }
        }

        return uses.Count > 0 ? uses : null;
    }
}
