using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Runtime.Fidelity;

/// <summary>How one output compares with the original's.</summary>
/// <param name="Name">Output name; elements of sequences and maps have an index or a part behind it.</param>
/// <param name="SqnrDb">20·log10(‖r‖/‖r−a‖); +∞ when equal, null for outputs that are not floating point or not comparable.</param>
/// <param name="Cosine">Cosine similarity, or null as above.</param>
/// <param name="MaxAbsoluteDifference">max |r−a|, or null as above.</param>
/// <param name="EqualShare">Share of equal elements of an output that is not floating point, else null.</param>
/// <param name="Note">Why it could not be compared, or empty.</param>
public sealed record OutputFidelity(string Name, double? SqnrDb, double? Cosine, double? MaxAbsoluteDifference, double? EqualShare, string Note);

/// <summary>What running the original and the compressed model side by side has shown.</summary>
public sealed record FidelityResult
{
    /// <summary>Where the inputs came from.</summary>
    public required SampleOrigin Inputs { get; init; }

    /// <summary>Samples both models ran; 0 when only loading was checked.</summary>
    public required int Samples { get; init; }

    /// <summary>Signal to error ratio in dB over all floating point outputs and samples; +∞ when equal, null when nothing was compared.</summary>
    public double? SqnrDb { get; init; }

    /// <summary>Cosine similarity over all floating point outputs and samples, or null.</summary>
    public double? Cosine { get; init; }

    /// <summary>Largest absolute difference of any floating point element, or null.</summary>
    public double? MaxAbsoluteDifference { get; init; }

    /// <summary>Share of rows of the first score-like output whose largest element stands at the same place, or null without such an output.</summary>
    public double? TopOneAgreement { get; init; }

    /// <summary>False when the original's outputs have one value nearly everywhere on these samples: then the figures say nothing about accuracy.</summary>
    public bool OutputsVary { get; init; } = true;

    /// <summary>False when no floating point element of the original's outputs is finite: then nothing was compared.</summary>
    public bool OriginalIsFinite { get; init; } = true;

    /// <summary>Per output, in the model's order.</summary>
    public IReadOnlyList<OutputFidelity> Outputs { get; init; } = [];

    /// <summary>Why fewer things were checked than usual; null when everything was.</summary>
    public string? Reason { get; init; }

    /// <summary>Errors that forbid shipping the compressed model; empty when it passed.</summary>
    public IReadOnlyList<Diagnostic> Errors { get; init; } = [];

    /// <summary>True if the compressed model loads, runs, and gives nothing it must not give.</summary>
    public bool Passed => Errors.Count == 0;
}
