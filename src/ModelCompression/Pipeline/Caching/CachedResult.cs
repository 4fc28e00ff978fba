using System.Text.Json;
using System.Text.Json.Serialization;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline.Caching;

/// <summary>What a cache keeps besides files: the report, and the warnings and messages that a result comes with every time.</summary>
internal sealed record CachedResult(CompressionReport Report, IReadOnlyList<Diagnostic> Diagnostics)
{
    /// <summary>Diagnostics as text.</summary>
    public static string Write(IReadOnlyList<Diagnostic> diagnostics) =>
        JsonSerializer.Serialize([.. diagnostics.Select(d => new CachedNote(d.Code, d.Severity == DiagnosticSeverity.Warning, d.Message))], CacheJson.Default.CachedNoteArray);

    /// <summary>Diagnostics from text; none when it is not such a text.</summary>
    public static IReadOnlyList<Diagnostic> Read(string text)
    {
        try
        {
            return [.. (JsonSerializer.Deserialize(text, CacheJson.Default.CachedNoteArray) ?? []).Select(n => n.Warning ? Diagnostic.Warning(n.Code, n.Text) : Diagnostic.Note(n.Code, n.Text))];
        }
        catch (JsonException)
        {
            return [];
        }
    }
}

/// <summary>A warning or message; files are left out, since they lie elsewhere on the next machine.</summary>
internal sealed record CachedNote(string Code, bool Warning, string Text);

/// <summary>Generated serialization.</summary>
[JsonSerializable(typeof(CachedNote[]))]
internal sealed partial class CacheJson : JsonSerializerContext;
