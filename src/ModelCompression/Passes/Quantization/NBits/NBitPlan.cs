using ModelCompression.Analysis;
using ModelCompression.Numerics.NBits;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>What will be done with a weight that becomes n-bit codes.</summary>
/// <param name="Site">The weight and its consumers.</param>
/// <param name="Options">Options all consumers agree on.</param>
/// <param name="Use">The consumer whose axes count.</param>
/// <param name="Grid">Rows and blocks.</param>
/// <param name="Codes">Codes and scheme.</param>
/// <param name="Target">Where the constants and nodes go.</param>
internal sealed record NBitPlan(WeightSite Site, CompressionOptions Options, WeightUse Use, WeightGrid Grid, GroupCodes Codes, GraphTarget Target)
{
    /// <summary>Form in the graph.</summary>
    public NBitFormKind Form { get; init; }

    /// <summary>True when codes are wanted row after row instead of in the order of the weight's elements.</summary>
    public bool WantsRows => Form == NBitFormKind.MatMulNBits;

    /// <summary>True when the form takes rows of 4-bit codes two per byte, without any padding.</summary>
    public bool TakesPairs => Codes.Bits == 4 && Grid.Length % 2 == 0 &&
        (Form == NBitFormKind.GatherBlockQuantized || (Form == NBitFormKind.MatMulNBits && Grid.Length % Options.BlockSize == 0));

    /// <summary>Why another form than the one asked for; empty otherwise.</summary>
    public string Note { get; init; } = "";

    /// <summary>True for a palette instead of evenly spaced levels.</summary>
    public bool HasPalette => Options.QuantizationScheme == QuantizationScheme.Codebook;

    /// <summary>True when all elements share one scale.</summary>
    public bool IsPerTensor => Grid.ScaleCount == 1 && Options.QuantizationGranularity == QuantizationGranularity.Tensor;

    /// <summary>Description for the report.</summary>
    /// <param name="form">Form in the graph.</param>
    public string Action(string form) => FormattableString.Invariant($"weight-only {Codes.Bits} bit{SchemeName} per {GroupName}, {form}");

    private string SchemeName => Options.QuantizationScheme switch
    {
        QuantizationScheme.Asymmetric => " asymmetric",
        QuantizationScheme.PowerOfTwo => " fixed point",
        QuantizationScheme.Codebook => " palette",
        _ => "",
    };

    private string GroupName => Options.QuantizationGranularity switch
    {
        QuantizationGranularity.Tensor => "tensor",
        QuantizationGranularity.Block when Grid.Blocks > 1 => FormattableString.Invariant($"block of {Grid.BlockLength}"),
        _ => "channel",
    };
}
