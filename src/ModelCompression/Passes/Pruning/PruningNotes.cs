using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Passes.Pruning;

/// <summary>What passes that set single weights to zero tell the user.</summary>
internal static class PruningNotes
{
    /// <summary>Zeros save bytes, not time.</summary>
    public static Diagnostic FullTime() => Diagnostic.Note("MCB4020",
        "Pruned weights make the file smaller but not the model faster: ONNX Runtime multiplies zeros like any other number. To save time, too, remove whole channels with PruningPattern=\"Channel\".");

    /// <summary>Channels got a weight back.</summary>
    public static Diagnostic EmptyChannels(IReadOnlyList<(string Layer, int Channels)> restored)
    {
        string layers = string.Join(", ", restored.Take(3).Select(r => FormattableString.Invariant($"{r.Layer} ({r.Channels})")));
        string more = restored.Count > 3 ? FormattableString.Invariant($" and {restored.Count - 3} more layers") : "";
        return Diagnostic.Warning("MCB4021",
            FormattableString.Invariant($"{restored.Sum(r => r.Channels)} output channels would have lost all of their weights, in {layers}{more}; the largest weight of each was kept. Lower Sparsity, or use PruningScope=\"Layer\"."));
    }
}
