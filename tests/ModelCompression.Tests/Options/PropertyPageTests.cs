using System.Xml.Linq;
using ModelCompression.Options;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Options;

[TestClass]
public sealed class PropertyPageTests
{
    [TestMethod]
    public void PropertyPage_IsWhatTheSchemaSays()
    {
        string path = RepositoryPaths.Combine("build", "package", "build", "CompressModel.xaml");
        if (Environment.GetEnvironmentVariable("UPDATE_DOCS") == "1") File.WriteAllText(path, PropertyPage.ToXaml());

        Assert.AreEqual(PropertyPage.ToXaml(), File.ReadAllText(path).ReplaceLineEndings("\n"), "Run the tests with UPDATE_DOCS=1.");
    }

    [TestMethod]
    public void PropertyPage_HasAPropertyForEveryOptionInAKnownCategory()
    {
        var page = XElement.Parse(PropertyPage.ToXaml());
        var categories = page.Descendants().Where(e => e.Name.LocalName == "Category").Select(e => (string)e.Attribute("Name")!).ToHashSet();
        var properties = page.Descendants().Where(e => e.Name.LocalName is "EnumProperty" or "StringProperty").ToDictionary(e => (string)e.Attribute("Name")!, e => e);
        foreach (var definition in OptionSchema.All)
        {
            Assert.IsTrue(properties.TryGetValue(definition.Name, out var property), definition.Name);
            Assert.Contains((string)property!.Attribute("Category")!, categories);
            if (property.Name.LocalName != "EnumProperty" || definition.Choices.Count == 0) continue;
            CollectionAssert.AreEqual(definition.Choices.Prepend("").ToArray(), property.Elements().Select(e => (string)e.Attribute("Name")!).ToArray(), definition.Name);
        }
    }
}
