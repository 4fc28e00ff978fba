using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Reports.Html;

namespace ModelCompression.Reports;

/// <summary>Writes reports beside a result.</summary>
internal static class ReportFiles
{
    private static readonly (string Format, string Extension, Func<CompressionReport, byte[]> Serialize)[] Formats =
    [
        ("Json", ".report.json", JsonReport.Serialize),
        ("Html", ".report.html", HtmlReport.Serialize),
        ("Markdown", ".report.md", MarkdownReport.Serialize),
    ];

    /// <summary>Writes the formats asked for, each to a temporary file that then takes the report's name.</summary>
    /// <returns>Full paths, JSON first.</returns>
    /// <exception cref="DiagnosticException">MCB4011: a report cannot be written.</exception>
    public static IReadOnlyList<string> Write(CompressionReport report, string outputPath, IReadOnlyList<string> formats)
    {
        var written = new List<string>();
        foreach (var (format, extension, serialize) in Formats)
        {
            if (!formats.Contains(format, StringComparer.OrdinalIgnoreCase)) continue;
            string path = outputPath + extension;
            try
            {
                File.WriteAllBytes(path + ".tmp", serialize(report));
                File.Move(path + ".tmp", path, overwrite: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new DiagnosticException("MCB4011", $"The report '{Path.GetFileName(path)}' cannot be written: {e.Message.ReplaceLineEndings(" ")} Check the permissions of its folder and the free space of the disk.", e);
            }

            written.Add(path);
        }

        return written;
    }
}
