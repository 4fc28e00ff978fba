using System.Text.Json;
using System.Text.Json.Serialization;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Reports;
using ModelCompression.Statistics;

namespace ModelCompression.Pipeline.Caching;

/// <summary>What a cache keeps besides files: the report, and the warnings and messages that a result comes with every time.</summary>
/// <param name="Report">The report.</param>
/// <param name="Diagnostics">What was said.</param>
/// <param name="Measured">What was learnt by running the model.</param>
internal sealed record CachedResult(CompressionReport Report, IReadOnlyList<Diagnostic> Diagnostics, Measurements Measured)
{
    /// <summary>Everything but the report as text.</summary>
    public string WriteNotes() => JsonSerializer.Serialize(
        new CachedNotes([.. Diagnostics.Select(d => new CachedNote(d.Code, d.Severity == DiagnosticSeverity.Warning, d.Message))], CachedFigures.Of(Measured)),
        CacheJson.Default.CachedNotes);

    /// <summary>A result from its report and that text; null when it is no such text.</summary>
    public static CachedResult? Read(CompressionReport report, string notes)
    {
        try
        {
            return JsonSerializer.Deserialize(notes, CacheJson.Default.CachedNotes) is { Said: { } said, Measured: { Ranges: not null, Values: not null, Outcomes: not null } measured }
                ? new(report, [.. said.Select(n => n.Warning ? Diagnostic.Warning(n.Code, n.Text) : Diagnostic.Note(n.Code, n.Text))], new(measured.Ranges, measured.Values, measured.Outcomes))
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>What an entry keeps besides files.</summary>
internal sealed record CachedNotes(CachedNote[] Said, CachedFigures Measured);

/// <summary><see cref="Measurements"/> in a fixed order.</summary>
internal sealed record CachedFigures(SortedDictionary<string, string> Ranges, SortedDictionary<string, string> Values, SortedDictionary<string, string> Outcomes)
{
    /// <summary>Orders them.</summary>
    public static CachedFigures Of(Measurements measured) => new(Sorted(measured.Ranges), Sorted(measured.Values), Sorted(measured.Outcomes));

    private static SortedDictionary<string, string> Sorted(IReadOnlyDictionary<string, string> texts) => new(texts.ToDictionary(), StringComparer.Ordinal);
}

/// <summary>A warning or message; files are left out, since they lie elsewhere on the next machine.</summary>
internal sealed record CachedNote(string Code, bool Warning, string Text);

/// <summary>Generated serialization.</summary>
[JsonSerializable(typeof(CachedNotes))]
internal sealed partial class CacheJson : JsonSerializerContext;
