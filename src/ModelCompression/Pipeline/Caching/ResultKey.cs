using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace ModelCompression.Pipeline.Caching;

/// <summary>Key of a result: SHA-256 of the model's bytes, the data's bytes, the canonical settings and the tool.</summary>
internal static class ResultKey
{
    /// <summary>Raised when the meaning of an entry changes.</summary>
    private const string Format = "modelcompression-result 2";

    /// <summary>The key in lower-case hex. Equal keys mean equal results and reports.</summary>
    public static string Of(CompressionRequest request, RunInputs inputs)
    {
        var text = new StringBuilder();
        Append(text, Format, inputs.Tool);
        // The report carries the identity; the result's external data carries the file name.
        Append(text, "model", inputs.Source.Name, Path.GetFileName(request.OutputPath), inputs.Source.Sha256);
        foreach (var file in inputs.External) Append(text, "external", file.Name, file.Sha256);
        foreach (var (name, value) in inputs.Settings) Append(text, "setting", name, value);
        foreach (var (setting, files) in inputs.Data)
            foreach (var file in files) Append(text, "data", setting, file.Name, file.Sha256);
        Append(text, "reports", [.. request.Reports.Select(r => r.ToLowerInvariant()).Order(StringComparer.Ordinal)]);
        // Times mean something on a similar machine only.
        if (request.MeasureLatency || inputs.Settings.ContainsKey("MaxLatencyRatio")) Append(text, "latency", RuntimeInformation.ProcessArchitecture.ToString());
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>Fields with their lengths, so that no two lists of fields have the same text.</summary>
    private static void Append(StringBuilder text, string kind, params string[] fields)
    {
        text.Append(kind);
        foreach (string field in fields) text.Append(' ').Append(System.Globalization.CultureInfo.InvariantCulture, $"{field.Length}:").Append(field);
        text.Append('\n');
    }
}
