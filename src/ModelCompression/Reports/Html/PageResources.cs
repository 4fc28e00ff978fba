using System.Text;

namespace ModelCompression.Reports.Html;

/// <summary>Style and scripts that pages carry within themselves; read only when a page is made.</summary>
internal static class PageResources
{
    /// <summary>Style of all pages.</summary>
    public static string Style => Read("report.css");

    /// <summary>Draws the charts of a report.</summary>
    public static string Script => Read("report.js");

    /// <summary>The chart library, Chart.js (MIT licence).</summary>
    public static string ChartLibrary => Read("chart.js");

    private static string Read(string name)
    {
        using var stream = typeof(PageResources).Assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"The resource {name} is missing.");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd().Replace("\r\n", "\n", StringComparison.Ordinal);
    }
}
