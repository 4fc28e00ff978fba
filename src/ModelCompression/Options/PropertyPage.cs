using System.Text;
using System.Xml.Linq;

namespace ModelCompression.Options;

/// <summary>Writes the property page of <c>CompressModel</c> items, the grid that an IDE shows for a model, from the schema.</summary>
public static class PropertyPage
{
    private static readonly XNamespace Xaml = "http://schemas.microsoft.com/build/2009/properties";

    /// <summary>The page as XAML with line feeds.</summary>
    public static string ToXaml()
    {
        var rule = new XElement(Xaml + "Rule",
            new XAttribute("Name", "CompressModel"),
            new XAttribute("DisplayName", "Model compression"),
            new XAttribute("PageTemplate", "generic"),
            new XAttribute("Description", "How the build compresses this model"),
            new XElement(Xaml + "Rule.DataSource",
                new XElement(Xaml + "DataSource", new XAttribute("Persistence", "ProjectFile"), new XAttribute("ItemType", "CompressModel"), new XAttribute("HasConfigurationCondition", "false"), new XAttribute("SourceOfDefaultValue", "AfterContext"))),
            new XElement(Xaml + "Rule.Categories",
                OptionSchema.All.Select(d => d.Category).Distinct().Select(c => new XElement(Xaml + "Category", new XAttribute("Name", c), new XAttribute("DisplayName", c)))),
            OptionSchema.All.Select(Property));
        var document = new XElement(Xaml + "ProjectSchemaDefinitions",
            new XComment(" Generated from src/ModelCompression/Options/OptionSchema.cs; run the tests with UPDATE_DOCS=1 to write it anew. "),
            new XElement(Xaml + "ItemType", new XAttribute("Name", "CompressModel"), new XAttribute("DisplayName", "Compressed ONNX model")),
            new XElement(Xaml + "ContentType", new XAttribute("Name", "CompressModel"), new XAttribute("DisplayName", "Compressed ONNX model"), new XAttribute("ItemType", "CompressModel")),
            rule);
        return document.ToString().ReplaceLineEndings("\n") + "\n";
    }

    private static XElement Property(OptionDefinition definition)
    {
        // A pattern such as 2:4 is no choice from a list.
        bool isEnumeration = definition.Kind is OptionKind.Choice or OptionKind.Boolean && definition.Name != "PruningPattern";
        var property = new XElement(Xaml + (isEnumeration ? "EnumProperty" : "StringProperty"),
            new XAttribute("Name", definition.Name),
            new XAttribute("DisplayName", Spaced(definition.Name)),
            new XAttribute("Category", definition.Category),
            new XAttribute("Description", Description(definition, isEnumeration)));
        if (!isEnumeration) return property;
        property.Add(new XElement(Xaml + "EnumValue", new XAttribute("Name", ""), new XAttribute("DisplayName", "(not set)")));
        foreach (string choice in definition.Kind == OptionKind.Boolean ? ["true", "false"] : definition.Choices)
            property.Add(new XElement(Xaml + "EnumValue", new XAttribute("Name", choice), new XAttribute("DisplayName", choice)));
        return property;
    }

    private static string Description(OptionDefinition definition, bool isEnumeration)
    {
        string text = definition.Meaning;
        if (!isEnumeration) text += $" Values: {definition.Allowed}.";
        if (definition.Default.Length > 0) text += $" Default: {definition.Default}.";
        return text.Replace("`", "", StringComparison.Ordinal);
    }

    /// <summary><c>WeightBits</c> becomes <c>Weight bits</c>.</summary>
    private static string Spaced(string name)
    {
        var text = new StringBuilder();
        foreach (char c in name)
        {
            if (char.IsAsciiLetterUpper(c) && text.Length > 0) text.Append(' ').Append(char.ToLowerInvariant(c));
            else text.Append(c);
        }

        return text.ToString();
    }
}
