using System.Security.Cryptography;
using System.Text;
using ModelCompression.Options;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline.Search;

/// <summary>One complete proposal of a search, as metadata that a user could have written.</summary>
/// <param name="Name">Short description for reports; not part of the identity.</param>
/// <param name="Settings">Metadata of the item besides what the user set.</param>
/// <param name="Rules">Rules besides the user's.</param>
internal sealed record SearchCandidate(string Name, SortedDictionary<string, string> Settings, IReadOnlyList<CandidateRule> Rules)
{
    /// <summary>Metadata that is about the search and not about the result.</summary>
    public static readonly IReadOnlySet<string> SearchMetadata =
        new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "Strategy", "Objective", "SearchTrials", "SearchTimeLimit", "CrossValidationFolds" };

    /// <summary>Digest of settings and rules: equal candidates give equal results.</summary>
    public string Key { get; } = KeyOf(Settings, Rules);

    /// <summary>What the report and the lock file keep.</summary>
    public ChosenSettings Chosen => new(Settings, [.. Rules.Select(r => new ChosenRule(r.Nodes, r.Settings))]);

    /// <summary>The metadata as XML to paste: attributes of the item, then rules; empty when there is nothing but what the user set.</summary>
    public string Text => string.Join(" ", new[] { Attributes(Settings) }.Where(s => s.Length > 0).Concat(Rules.Select((r, i) =>
        FormattableString.Invariant($"<CompressModelRule Include=\"auto{i + 1}\" Nodes=\"{Escape(string.Join(';', r.Nodes))}\" {Attributes(r.Settings)} />"))));

    /// <summary>The candidate that the report or the lock file speaks of.</summary>
    public static SearchCandidate Of(ChosenSettings chosen) => new(
        "chosen", new(chosen.Settings.ToDictionary(), StringComparer.Ordinal), [.. chosen.Rules.Select(r => new CandidateRule(r.Nodes, new(r.Settings.ToDictionary(), StringComparer.Ordinal)))]);

    /// <summary>The candidate with more metadata of the item.</summary>
    public SearchCandidate With(SortedDictionary<string, string> added) =>
        added.Count == 0 ? this : new(Name, new(Settings.Concat(added).ToDictionary(), StringComparer.Ordinal), Rules);

    /// <summary>A request that makes this candidate without a search. The user's rules come last, so that they win.</summary>
    public CompressionRequest ApplyTo(CompressionRequest request)
    {
        var values = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, text) in request.Item.Values)
            if (!SearchMetadata.Contains(name)) values[name] = text;
        foreach (var (name, text) in Settings) values[name] = text;
        return request with { Item = request.Item with { Values = values }, Rules = [.. Rules.Select((r, i) => r.ToSource(i)), .. request.Rules] };
    }

    private static string Attributes(SortedDictionary<string, string> settings) => string.Join(" ", settings.Select(s => $"{s.Key}=\"{Escape(s.Value)}\""));

    private static string Escape(string text) => System.Security.SecurityElement.Escape(text);

    private static string KeyOf(SortedDictionary<string, string> settings, IReadOnlyList<CandidateRule> rules)
    {
        var text = new StringBuilder();
        foreach (var (name, value) in settings) text.Append(name).Append('=').Append(value).Append('\n');
        foreach (var rule in rules)
        {
            text.Append("rule\n").AppendJoin('\n', rule.Nodes).Append('\n');
            foreach (var (name, value) in rule.Settings) text.Append(' ').Append(name).Append('=').Append(value).Append('\n');
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())))[..24];
    }
}

/// <summary>A rule of a candidate.</summary>
/// <param name="Nodes">Names of the nodes it is about.</param>
/// <param name="Settings">Metadata.</param>
internal sealed record CandidateRule(IReadOnlyList<string> Nodes, SortedDictionary<string, string> Settings)
{
    /// <summary>The rule as if the user had written it.</summary>
    public SettingsSource ToSource(int index)
    {
        var values = new Dictionary<string, string>(Settings, StringComparer.OrdinalIgnoreCase) { ["Nodes"] = string.Join(';', Nodes) };
        return new SettingsSource(FormattableString.Invariant($"CompressModelRule '{index + 1}' of the search"), values);
    }
}
