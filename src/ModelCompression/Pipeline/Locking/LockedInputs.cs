using ModelCompression.Statistics;

namespace ModelCompression.Pipeline.Locking;

/// <summary>Makes entries of lock files.</summary>
internal static class LockedInputs
{
    /// <summary>The entry of a finished model.</summary>
    /// <param name="inputs">What it was made from.</param>
    /// <param name="outcome">What became of it.</param>
    /// <param name="outputPath">Full path of the result.</param>
    /// <param name="target">Its destination in the output folder.</param>
    /// <param name="measured">What was measured or taken.</param>
    public static LockedModel Entry(RunInputs inputs, CompressionOutcome outcome, string outputPath, string target, Measurements measured)
    {
        string folder = Path.GetDirectoryName(outputPath)!;
        return new LockedModel
        {
            Tool = inputs.ToolVersion,
            Source = new(inputs.Source.Name, inputs.Source.Sha256),
            External = Sorted(inputs.External.ToDictionary(f => f.Name, f => f.Sha256)),
            Settings = Sorted(inputs.Settings) ?? new(StringComparer.Ordinal),
            Data = inputs.Data.Count == 0 ? null : new(inputs.Data.ToDictionary(d => d.Key, d => new SortedDictionary<string, string>(Named(d.Value), StringComparer.Ordinal)), StringComparer.Ordinal),
            Chosen = outcome.Report!.Search?.Chosen,
            Output = new(target, outcome.Report.Compressed.Sha256),
            Files = Sorted(outcome.AdditionalOutputs.ToDictionary(f => Path.GetRelativePath(folder, f).Replace('\\', '/'), FileDigest.Sha256)),
            Calibration = Sorted(measured.Ranges),
            Measured = Sorted(measured.Values),
            Outcomes = Sorted(measured.Outcomes),
        };
    }

    /// <summary>Digests by name; files of one name (from several folders, named absolutely) are told apart by number.</summary>
    public static Dictionary<string, string> Named(IReadOnlyList<InputFile> files)
    {
        var named = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var file in files)
        {
            string name = file.Name;
            for (int i = 2; !named.TryAdd(name, file.Sha256); i++) name = FormattableString.Invariant($"{file.Name}#{i}");
        }

        return named;
    }

    private static SortedDictionary<string, string>? Sorted(IReadOnlyDictionary<string, string> values) =>
        values.Count == 0 ? null : new(values.ToDictionary(v => v.Key, v => v.Value), StringComparer.Ordinal);
}
