using System.Text.RegularExpressions;
using ModelCompression.Testing;

namespace ModelCompression.Onnx.Tests.Diagnostics;

[TestClass]
public partial class DiagnosticPagesTests
{
    [TestMethod]
    public void EveryCodeInTheSources_HasAPage()
    {
        string sources = Path.Combine(RepositoryPaths.Root, "src", "ModelCompression.Onnx");
        string[] codes = [.. Directory.EnumerateFiles(sources, "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .SelectMany(f => Code().Matches(File.ReadAllText(f)).Select(m => m.Groups[1].Value))
            .Distinct()];
        Assert.IsGreaterThan(15, codes.Length);
        foreach (string code in codes)
        {
            string page = Path.Combine(RepositoryPaths.Root, "docs", "diagnostics", code + ".md");
            Assert.IsTrue(File.Exists(page), page);
            Assert.StartsWith($"# {code}: ", File.ReadAllText(page));
        }
    }

    [GeneratedRegex("\"(MCB[0-9]{4})\"")]
    private static partial Regex Code();
}
