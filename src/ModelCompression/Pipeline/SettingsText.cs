using ModelCompression.Options;
using ModelCompression.Passes.Quantization;

namespace ModelCompression.Pipeline;

/// <summary>Effective settings as text, without absolute paths: for reports, provenance and cache keys.</summary>
internal static class SettingsText
{
    /// <summary>Every option that has a value, in schema order.</summary>
    public static SortedDictionary<string, string> Of(CompressionRequest request, CompressionOptions options)
    {
        var texts = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var definition in OptionSchema.All)
            if (definition.Format(options) is { } text) texts[definition.Name] = definition.Kind == OptionKind.Data ? DataText(request, definition.Name, text) : text;
        // What the setting means differs from machine to machine, and so do the results.
        if (options.TargetCpu == TargetCpu.Auto) texts["TargetCpu"] = $"{TargetCpu.Auto} ({TargetProcessor.OfBuildMachine})";
        for (int i = 0; i < request.Rules.Count; i++)
            texts[FormattableString.Invariant($"Rule{i + 1}")] = RuleText(request.Rules[i]);
        return texts;
    }

    /// <summary>One line, <c>name=value</c> separated by <c>; </c>: what provenance carries. Of data and programs it tells only that they were given: where they lie must not change the result.</summary>
    public static string Line(IReadOnlyDictionary<string, string> texts) =>
        string.Join("; ", texts.Select(t => OptionSchema.Find(t.Key) is { Kind: OptionKind.Data } or { Name: "MetricCommand" } ? $"{t.Key}=given" : $"{t.Key}={t.Value}"));

    private static string DataText(CompressionRequest request, string name, string paths) =>
        request.WrittenPaths.TryGetValue(name, out string? written) && !OptionBuilder.Split(written).Any(Path.IsPathRooted)
            ? string.Join(';', OptionBuilder.Split(written)).Replace('\\', '/')
            : string.Join(';', OptionBuilder.Split(paths).Select(Path.GetFileName));

    private static string RuleText(SettingsSource rule) =>
        string.Join(", ", rule.Values.Where(v => !string.IsNullOrWhiteSpace(v.Value)).OrderBy(v => v.Key, StringComparer.Ordinal).Select(v => $"{v.Key}={v.Value.Trim()}"));
}
