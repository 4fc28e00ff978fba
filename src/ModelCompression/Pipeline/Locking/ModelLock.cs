using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Statistics;

namespace ModelCompression.Pipeline.Locking;

/// <summary>What a lock file means for one model.</summary>
/// <param name="Path">The lock file, for messages.</param>
/// <param name="Entry">The model's entry, or null when there is none.</param>
/// <param name="Enforced">True when a difference is an error (<c>ModelCompressionLockedMode</c>).</param>
public sealed record ModelLock(string Path, LockedModel? Entry, bool Enforced)
{
    private const int MostDifferences = 8;

    /// <summary>The digest that the result must have, or null.</summary>
    internal string? ExpectedSha256 => Enforced ? Entry?.Output.Sha256 : null;

    /// <summary>The digest of the result that the same inputs gave, or null.</summary>
    internal string? OutputOf(RunInputs inputs) => Entry is not null && Differences(inputs).Count == 0 ? Entry.Output.Sha256 : null;

    /// <summary>Figures to take instead of measuring: only those that were measured from the same inputs.</summary>
    internal Measurements? Recorded(RunInputs inputs) =>
        Entry is null || (Entry.Calibration ?? Entry.Measured ?? Entry.Outcomes) is null || Differences(inputs).Count > 0 ? null
        : new(Entry.Calibration ?? [], Entry.Measured ?? [], Entry.Outcomes ?? []);

    /// <summary>What a search with the same inputs chose, or null.</summary>
    internal Reports.ChosenSettings? Chosen(RunInputs inputs) => Entry?.Chosen is { } chosen && Differences(inputs).Count == 0 ? chosen : null;

    /// <summary>Checks the inputs before any work is done.</summary>
    /// <exception cref="DiagnosticException">MCB5010: an input differs. MCB5013: there is no entry.</exception>
    internal void CheckInputs(RunInputs inputs)
    {
        if (!Enforced) return;
        if (Entry is null)
            throw new DiagnosticException("MCB5013", $"The lock file '{Name}' has no entry for this model. Build without ModelCompressionLockedMode and commit the lock file.");
        var differences = Differences(inputs);
        if (differences.Count == 0) return;
        string more = differences.Count > MostDifferences ? $", and {differences.Count - MostDifferences} more" : "";
        throw new DiagnosticException("MCB5010", $"The inputs differ from the lock file '{Name}': {string.Join(", ", differences.Take(MostDifferences))}{more}. Take the change back, or build without ModelCompressionLockedMode to lock the new state.");
    }

    /// <summary>The error for a result that is not the locked one although its inputs are.</summary>
    /// <param name="sha256">Digest of the result.</param>
    /// <param name="outcomes">Steps that gave other weights.</param>
    internal Diagnostic UnexpectedResult(string sha256, IReadOnlyList<string> outcomes)
    {
        string more = outcomes.Count > MostDifferences ? $" and {outcomes.Count - MostDifferences} more" : "";
        string cause = outcomes.Count == 0 ? "No step that is compared gave other weights; a gate may have decided otherwise."
            : $"Other weights came from {string.Join(", ", outcomes.Take(MostDifferences))}{more}: sums of products over the data, whose last bits depend on the CPU.";
        return Diagnostic.Error("MCB5011",
            $"The result has SHA-256 {sha256}, the lock file '{Name}' says {Entry!.Output.Sha256}, although model, data, settings and tool version are the locked ones. {cause} Share the locked result by ModelCompressionCachePath, whose key does not contain the CPU, or lock on this kind of machine (docs/lock-file.md).");
    }

    private string Name => System.IO.Path.GetFileName(Path);

    private List<string> Differences(RunInputs inputs)
    {
        var differences = new List<string>();
        if (inputs.ToolVersion != Entry!.Tool) differences.Add($"the tool is version {inputs.ToolVersion}, locked is {Entry.Tool}");
        if (inputs.Source.Sha256 != Entry.Source.Sha256) differences.Add($"the model '{inputs.Source.Name}' changed");
        Compare(differences, "external data", inputs.External.ToDictionary(f => f.Name, f => f.Sha256), Entry.External ?? []);
        CompareSettings(differences, inputs.Settings, Entry.Settings);
        foreach (string setting in inputs.Data.Keys.Union(Entry.Data?.Keys ?? Enumerable.Empty<string>()).Order(StringComparer.Ordinal))
            Compare(differences, $"{setting} file", LockedInputs.Named(inputs.Data.GetValueOrDefault(setting) ?? []), Entry.Data?.GetValueOrDefault(setting) ?? []);
        return differences;
    }

    private static void Compare(List<string> differences, string kind, IReadOnlyDictionary<string, string> now, SortedDictionary<string, string> locked)
    {
        foreach (var (name, sha256) in now.OrderBy(f => f.Key, StringComparer.Ordinal))
            if (!locked.TryGetValue(name, out string? before)) differences.Add($"{kind} '{name}' is new");
            else if (before != sha256) differences.Add($"{kind} '{name}' changed");
        foreach (string name in locked.Keys.Where(name => !now.ContainsKey(name))) differences.Add($"{kind} '{name}' is gone");
    }

    private static void CompareSettings(List<string> differences, IReadOnlyDictionary<string, string> now, SortedDictionary<string, string> locked)
    {
        foreach (string name in now.Keys.Union(locked.Keys).Order(StringComparer.Ordinal))
        {
            string? value = now.GetValueOrDefault(name), before = locked.GetValueOrDefault(name);
            if (value != before) differences.Add($"{name} is {value ?? "not set"}, locked is {before ?? "not set"}");
        }
    }
}
