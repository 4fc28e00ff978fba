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

    /// <summary>Full paths of the reports of a model, JSON first.</summary>
    /// <param name="modelPath">The model.</param>
    /// <param name="formats">Formats asked for.</param>
    public static IEnumerable<string> PathsFor(string modelPath, IReadOnlyList<string> formats) =>
        Formats.Where(f => formats.Contains(f.Format, StringComparer.OrdinalIgnoreCase)).Select(f => modelPath + f.Extension);

    /// <summary>Writes the formats asked for beside a model that is still being made: the reports are published together with it, or not at all.</summary>
    /// <param name="report">What to say.</param>
    /// <param name="modelPath">The model, under its final file name.</param>
    /// <param name="formats">Formats asked for.</param>
    /// <returns>File names, JSON first.</returns>
    /// <exception cref="DiagnosticException">MCB4011: a report cannot be written.</exception>
    public static IReadOnlyList<string> Write(CompressionReport report, string modelPath, IReadOnlyList<string> formats)
    {
        var written = new List<string>();
        foreach (var (format, extension, serialize) in Formats)
        {
            if (!formats.Contains(format, StringComparer.OrdinalIgnoreCase)) continue;
            string path = modelPath + extension;
            try
            {
                File.WriteAllBytes(path, serialize(report));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new DiagnosticException("MCB4011", $"The report '{Path.GetFileName(path)}' cannot be written: {e.Message.ReplaceLineEndings(" ")} Check the permissions of its folder and the free space of the disk.", e);
            }

            written.Add(Path.GetFileName(path));
        }

        return written;
    }
}
