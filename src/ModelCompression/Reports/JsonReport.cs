using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ModelCompression.Reports;

/// <summary>Writes and reads the JSON report.</summary>
public static class JsonReport
{
    /// <summary>UTF-8 JSON with line feeds and a final one, the same on every platform.</summary>
    public static byte[] Serialize(CompressionReport report)
    {
        var format = Format();
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new() { Indented = format.WriteIndented, NewLine = format.NewLine, Encoder = format.Encoder }))
            ReportWriterContext.Default.CompressionReport.SerializeHandler!(writer, report);
        stream.WriteByte((byte)'\n');
        return stream.ToArray();
    }

    /// <summary>How JSON for people and version control is written: camel case, indented, line feeds, and non-ASCII text as it is, since the files are UTF-8 and not embedded in HTML.</summary>
    /// <returns>New options, since a serializer context takes possession of them.</returns>
    public static JsonSerializerOptions Format() => new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Reads a report.</summary>
    /// <exception cref="JsonException">It is not one.</exception>
    public static CompressionReport Deserialize(ReadOnlySpan<byte> json) =>
        JsonSerializer.Deserialize(json, ReportJsonContext.Relaxed.CompressionReport) ?? throw new JsonException("The report is empty.");
}

/// <summary>Generated code that writes: needs no description of the members, whose preparation takes longer than all of the writing.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Serialization, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(CompressionReport))]
internal sealed partial class ReportWriterContext : JsonSerializerContext;

/// <summary>Generated description of the members, for reading: no reflection.</summary>
[JsonSerializable(typeof(CompressionReport))]
internal sealed partial class ReportJsonContext : JsonSerializerContext
{
    /// <summary>For the report file.</summary>
    public static ReportJsonContext Relaxed { get; } = new(JsonReport.Format());
}
