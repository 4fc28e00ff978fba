using ModelCompression.Analysis;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning.Refitting;

namespace ModelCompression.Passes.Pruning.ByActivation;

/// <summary>How the elements that go are chosen.</summary>
internal enum MaskChoice
{
    /// <summary>They are the zeros of the weight as it is now.</summary>
    Given,

    /// <summary>By |w|·‖x‖ in each row.</summary>
    Wanda,

    /// <summary>By what their removal costs after the update, block by block.</summary>
    SparseGpt,
}

/// <summary>A weight whose elements are removed, or were, with its inputs at hand.</summary>
/// <param name="Site">Where it is.</param>
/// <param name="Operator">The operator that reads it.</param>
/// <param name="Before">The weight before anything was removed.</param>
/// <param name="Options">The options of its node.</param>
/// <param name="Choice">Which elements go.</param>
/// <param name="Updates">True if the elements that stay make up for those that go.</param>
internal sealed record UpdateTarget(WeightSite Site, LinearSite Operator, Tensor Before, CompressionOptions Options, MaskChoice Choice, bool Updates)
{
    /// <summary>Weights per output channel beyond which no update is made: the factorization grows with the cube.</summary>
    public const int MaxWidth = 4096;

    /// <summary>The weight as rows.</summary>
    public WeightMatrix Matrix { get; } = new(Operator, Before);

    /// <summary>True if an update is wanted and can be afforded.</summary>
    public bool NeedsGram => Updates && Matrix.Width <= MaxWidth;
}
