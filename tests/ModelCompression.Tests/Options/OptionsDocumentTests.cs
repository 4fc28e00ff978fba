using ModelCompression.Options;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Options;

[TestClass]
public sealed class OptionsDocumentTests
{
    [TestMethod]
    public void OptionsPage_IsWhatTheSchemaSays()
    {
        string path = Path.Combine(RepositoryPaths.Root, "docs", "options.md");
        if (Environment.GetEnvironmentVariable("UPDATE_DOCS") == "1") File.WriteAllText(path, OptionsDocument.ToMarkdown());

        Assert.AreEqual(OptionsDocument.ToMarkdown(), File.ReadAllText(path).ReplaceLineEndings("\n"), "Run the tests with UPDATE_DOCS=1.");
    }

    [TestMethod]
    public void OptionsPage_NamesEveryOption()
    {
        string page = OptionsDocument.ToMarkdown();
        foreach (var definition in OptionSchema.All) StringAssert.Contains(page, $"| `{definition.Name}`");
    }
}
