using System.Text;
using ModelCompression.Reports;

namespace ModelCompression.Tests.Reports;

[TestClass]
public sealed class MarkdownReportTests
{
    /// <summary>A table that follows a list without an empty line is text of its last entry.</summary>
    [TestMethod]
    public void Tables_BeginAfterAnEmptyLine()
    {
        string[] lines = Encoding.UTF8.GetString(MarkdownReport.Serialize(HtmlReportTests.Sample())).Split('\n');
        int[] rules = [.. Enumerable.Range(0, lines.Length).Where(i => lines[i].StartsWith("|---", StringComparison.Ordinal))];

        Assert.HasCount(2, rules);
        foreach (int rule in rules) Assert.AreEqual("", lines[rule - 2], lines[rule - 1]);
        Assert.Contains("- MaxSize: 0.42 MB (limit 0.40 MB) **failed**", lines);
    }
}
