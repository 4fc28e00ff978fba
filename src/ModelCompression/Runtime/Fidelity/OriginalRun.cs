using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Runtime.Fidelity;

/// <summary>How far the original got.</summary>
public enum OriginalStatus
{
    /// <summary>It ran on the samples.</summary>
    Ran,

    /// <summary>It loads but could not be run on made-up inputs; <see cref="OriginalRun.Reason"/> says why.</summary>
    OnlyLoads,

    /// <summary>ONNX Runtime does not open it; <see cref="OriginalRun.Problem"/> says why.</summary>
    Refused,

    /// <summary>It does not run on the user's own data; <see cref="OriginalRun.Problem"/> says why.</summary>
    FailsOnData,
}

/// <summary>What the original model returned, kept until the compressed one is compared with it.</summary>
public sealed class OriginalRun
{
    internal OriginalRun(OriginalStatus status) => Status = status;

    /// <summary>How far it got.</summary>
    public OriginalStatus Status { get; }

    /// <summary>The error to report, or null.</summary>
    public Diagnostic? Problem { get; internal init; }

    /// <summary>Why less was checked than usual, or null.</summary>
    public string? Reason { get; internal init; }

    /// <summary>Interface as ONNX Runtime sees it; null when refused.</summary>
    public ModelInterface? Interface { get; internal init; }

    /// <summary>The attempt that worked; see <see cref="SampleSource.AttemptCount"/>.</summary>
    public int Attempt { get; internal init; }

    /// <summary>False when every floating point output has one value nearly everywhere, so that comparing it shows nothing.</summary>
    public bool OutputsVary { get; internal init; } = true;

    /// <summary>Indices of the samples that were run.</summary>
    internal IReadOnlyList<int> SampleIndices { get; init; } = [];

    /// <summary>Outputs per entry of <see cref="SampleIndices"/>.</summary>
    internal IReadOnlyList<IReadOnlyList<NamedValue>> Outputs { get; init; } = [];
}
