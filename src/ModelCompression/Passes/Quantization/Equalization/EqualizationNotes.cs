using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Passes.Quantization.Equalization;

/// <summary>What equalization tells the user.</summary>
internal static class EqualizationNotes
{
    private const int MostExamples = 2;

    /// <summary>It had no effect at all.</summary>
    /// <param name="method">The method.</param>
    /// <param name="what">What it looked for in vain.</param>
    /// <param name="edits">Refusals, some of which are named.</param>
    public static Diagnostic NothingChanged(Options.Equalization method, string what, IEnumerable<PassEdit> edits)
    {
        string examples = string.Join("; ", edits.Where(e => !e.Applied).Take(MostExamples).Select(e => $"{e.Target} {e.Reason}"));
        string such = examples.Length == 0 ? "" : $" (such as: {examples})";
        return Diagnostic.Warning("MCB4071", $"Equalization={method} changed nothing: {what}{such}. Leave it out, or see the report for the reason of every layer.");
    }
}
