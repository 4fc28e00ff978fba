using System.Globalization;
using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Options;

/// <summary>A set of settings as the user wrote them, with where they stand.</summary>
/// <param name="What">How messages call it: <c>CompressModel 'm.onnx'</c> or <c>CompressModelRule 'head'</c>.</param>
/// <param name="Values">Name to text; empty texts count as not set.</param>
public sealed record SettingsSource(string What, IReadOnlyDictionary<string, string> Values)
{
    /// <summary>Project file, or null.</summary>
    public string? File { get; init; }

    /// <summary>One-based line in it, or 0.</summary>
    public int Line { get; init; }

    /// <summary>One-based column in it, or 0.</summary>
    public int Column { get; init; }
}

/// <summary>Reads metadata texts into validated <see cref="CompressionSettings"/>. All problems are reported, not only the first.</summary>
public static class OptionParser
{
    private static readonly string[] RuleKeys = ["Model", "Nodes", "OpTypes"];

    /// <summary>Parses an item and the rules that apply to it.</summary>
    /// <returns>The settings, or null when an error was reported.</returns>
    public static CompressionSettings? Parse(SettingsSource item, IReadOnlyList<SettingsSource> rules, ICollection<Diagnostic> diagnostics)
    {
        var problems = new Problems(diagnostics);
        var preset = ReadPreset(item);
        var given = ReadAll(item, inRule: false, problems);
        var options = given.Aggregate(Presets.Of(preset, given.Exists(g => g.Definition.Name == "CalibrationData")), (o, g) => g.Definition.Parse(o, g.Text) ?? o);
        var parsedRules = rules.Select(r => ParseRule(r, problems)).ToList();
        if (problems.Any) return null;
        var ruled = parsedRules.Select(r => r!.Apply(options)).ToList();
        OptionCombinations.Check(item, options, ruled, given.Select(g => g.Definition.Name).ToHashSet(), problems);
        foreach (var (applied, source) in ruled.Zip(rules)) OptionCombinations.CheckRule(source, applied, problems);
        return problems.Any ? null : new CompressionSettings(options, [.. parsedRules.Select(r => r!)]);
    }

    private static Preset ReadPreset(SettingsSource item)
    {
        var entry = item.Values.FirstOrDefault(v => v.Key.Equals("Preset", StringComparison.OrdinalIgnoreCase));
        var definition = OptionSchema.Find("Preset")!;
        return string.IsNullOrWhiteSpace(entry.Value) ? Preset.Balanced : definition.Parse(new(), entry.Value.Trim())?.Preset ?? Preset.Balanced;
    }

    private static List<(OptionDefinition Definition, string Text)> ReadAll(SettingsSource source, bool inRule, Problems problems)
    {
        var given = new List<(OptionDefinition, string)>();
        foreach (var (name, text) in source.Values.OrderBy(v => v.Key, StringComparer.OrdinalIgnoreCase))
        {
            if (string.IsNullOrWhiteSpace(text) || (inRule && RuleKeys.Contains(name, StringComparer.OrdinalIgnoreCase))) continue;
            var definition = OptionSchema.Find(name);
            var known = OptionSchema.All.Where(d => !inRule || d.AllowedInRule).Select(d => d.Name);
            if (definition is null)
                problems.Add(source, "MCB1001", $"{source.What} has unknown metadata '{name}'.{ClosestMatch.Hint(name, inRule ? known.Concat(RuleKeys) : known)} All names are listed in docs/options.md.");
            else if (inRule && !definition.AllowedInRule)
                problems.Add(source, "MCB1005", $"{source.What} sets {definition.Name}, which holds for a whole model; set it on the CompressModel item instead.");
            else if (definition.Parse(new(), text.Trim()) is null)
                problems.Add(source, definition.Kind == OptionKind.Choice ? "MCB1002" : "MCB1003", $"{source.What} has {definition.Name}=\"{text}\"; allowed: {definition.Allowed}.{(definition.Kind == OptionKind.Choice ? ClosestMatch.Hint(text.Trim(), definition.Choices) : NumberHint(definition, text.Trim()))}");
            else
                given.Add((definition, text.Trim()));
        }

        return given;
    }

    /// <summary>The number that a percentage or a decimal comma may have meant, if it is allowed.</summary>
    private static string NumberHint(OptionDefinition definition, string text)
    {
        string plain = text.TrimEnd('%').TrimEnd().Replace(',', '.');
        if (plain == text || !double.TryParse(plain, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)) return "";
        string meant = (text.EndsWith('%') ? number / 100 : number).ToString(CultureInfo.InvariantCulture);
        return definition.Parse(new(), meant) is null ? "" : $" Did you mean '{meant}'?";
    }

    private static CompressionRule? ParseRule(SettingsSource source, Problems problems)
    {
        int before = problems.Count;
        var given = ReadAll(source, inRule: true, problems);
        var nodes = OptionBuilder.Split(Value(source, "Nodes"));
        var opTypes = OptionBuilder.Split(Value(source, "OpTypes"));
        if (nodes.Count == 0 && opTypes.Count == 0)
            problems.Add(source, "MCB1005", $"{source.What} names no nodes: give Nodes=\"…\" or OpTypes=\"…\" (`;` lists, `*` wildcards).");
        else if (given.Count == 0 && problems.Count == before)
            problems.Add(source, "MCB1005", $"{source.What} sets nothing: give at least one pruning or quantization metadata.");
        return problems.Any ? null : new CompressionRule(nodes, opTypes, o => given.Aggregate(o, (at, g) => g.Definition.Parse(at, g.Text) ?? at));
    }

    private static string Value(SettingsSource source, string key) =>
        source.Values.FirstOrDefault(v => v.Key.Equals(key, StringComparison.OrdinalIgnoreCase)).Value ?? "";

    /// <summary>Collects errors and warnings with the place of their source.</summary>
    internal sealed class Problems(ICollection<Diagnostic> diagnostics)
    {
        public bool Any => Count > 0;

        /// <summary>Errors so far.</summary>
        public int Count { get; private set; }

        public void Add(SettingsSource source, string code, string message)
        {
            Count++;
            diagnostics.Add(At(source, Diagnostic.Error(code, message)));
        }

        public void Warn(SettingsSource source, string code, string message) => diagnostics.Add(At(source, Diagnostic.Warning(code, message)));

        private static Diagnostic At(SettingsSource source, Diagnostic diagnostic) => diagnostic with { File = source.File, Line = source.Line, Column = source.Column };
    }
}
