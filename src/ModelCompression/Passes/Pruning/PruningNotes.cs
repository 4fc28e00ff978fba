using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Pruning;

/// <summary>What passes that set single weights to zero tell the user.</summary>
internal static class PruningNotes
{
    /// <summary>Zeros save bytes, not time.</summary>
    public static Diagnostic FullTime() => Diagnostic.Note("MCB4020",
        "Pruned weights make the file smaller but not the model faster: ONNX Runtime multiplies zeros like any other number. To save time, too, remove whole channels with PruningPattern=\"Channel\".");

    /// <summary>Why a criterion leaves a weight of another type out.</summary>
    public static string OnlyBinary32(PruningCriterion criterion, DataType type) => $"{criterion} is computed for binary32 weights, not {type}";

    /// <summary>A criterion could rank none of the weights in scope.</summary>
    /// <param name="criterion">The criterion.</param>
    /// <param name="reasons">Why, per weight.</param>
    /// <param name="outcome">What was done instead.</param>
    public static Diagnostic NotRanked(PruningCriterion criterion, IEnumerable<string> reasons, string outcome)
    {
        string why = string.Join("; ", reasons.CountBy(r => r).OrderByDescending(r => r.Value).ThenBy(r => r.Key, StringComparer.Ordinal).Take(2).Select(r => r.Key));
        return Diagnostic.Warning("MCB4024", $"Pruning={criterion} could rank none of the weights in scope ({why}), so {outcome}. Pruning=\"Magnitude\" takes every floating point type; a float16 or double model may also be converted to float32 before.");
    }

    /// <summary>Channels got a weight back.</summary>
    public static Diagnostic EmptyChannels(IReadOnlyList<(string Layer, int Channels)> restored)
    {
        string layers = string.Join(", ", restored.Take(3).Select(r => FormattableString.Invariant($"{r.Layer} ({r.Channels})")));
        string more = restored.Count > 3 ? FormattableString.Invariant($" and {restored.Count - 3} more layers") : "";
        return Diagnostic.Warning("MCB4021",
            FormattableString.Invariant($"{restored.Sum(r => r.Channels)} output channels would have lost all of their weights, in {layers}{more}; the largest weight of each was kept. Remove fewer weights, or spread the zeros evenly with PruningScope=\"Layer\"."));
    }
}
