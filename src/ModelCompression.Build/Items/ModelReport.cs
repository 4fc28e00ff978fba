namespace ModelCompression.Build.Items;

/// <summary>Names of report formats and of the files they are written to.</summary>
internal static class ModelReport
{
    /// <summary>In the order of preference for <c>%(CompressedModel.Report)</c>.</summary>
    public static readonly string[] Formats = ["Json", "Html", "Markdown"];

    /// <summary>What follows the model's file name.</summary>
    public static string Suffix(string format) => format switch
    {
        "Html" => ".report.html",
        "Markdown" => ".report.md",
        _ => ".report.json",
    };
}
