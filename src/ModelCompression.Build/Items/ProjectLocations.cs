using System;
using System.Collections.Generic;
using System.IO;
using System.Xml;

namespace ModelCompression.Build.Items;

/// <summary>
/// Finds the line of an item in the project file that defines it. MSBuild hands tasks the file but not the line, so the
/// file is read again; only done when there is something to report or to run.
/// </summary>
internal sealed class ProjectLocations
{
    private readonly Dictionary<string, List<Element>> _files = new(StringComparer.Ordinal);

    /// <summary>One-based line and column of the element; zeros when it is not found.</summary>
    /// <param name="file">The project file.</param>
    /// <param name="elementName">Item type.</param>
    /// <param name="spec">What the item includes.</param>
    /// <param name="attributes">Metadata of the item, which tell it from others with the same name; null for any.</param>
    public (int Line, int Column) Find(string file, string elementName, string spec, IReadOnlyDictionary<string, string>? attributes = null)
    {
        if (file.Length == 0) return default;
        if (!_files.TryGetValue(file, out var elements)) _files.Add(file, elements = Read(file));
        var wanted = Normalize(spec);
        Element? best = null;
        var bestRank = 0;
        foreach (var element in elements)
        {
            if (!element.Name.Equals(elementName, StringComparison.OrdinalIgnoreCase)) continue;
            var rank = Rank(element.Include, wanted);
            if (rank > 0 && attributes is not null) rank = (rank * (attributes.Count + 1)) + element.CountEqual(attributes);
            if (rank <= bestRank) continue;
            best = element;
            bestRank = rank;
        }
        return best is null ? default : (best.Line, best.Column);
    }

    /// <summary>3: names the item; 2: its wildcard matches; 1: its value cannot be known without evaluating properties; 0: another item.</summary>
    private static int Rank(string include, string wanted)
    {
        var rank = 0;
        foreach (var part in PathText.List(include))
        {
            var pattern = Normalize(part);
            if (pattern == wanted) return 3;
            if (pattern.IndexOf('*') >= 0 && Wildcard.Matches(pattern.Replace("**/", "*"), wanted)) rank = 2;
            else if (rank == 0 && (part.IndexOf("$(", StringComparison.Ordinal) >= 0 || part.IndexOf("@(", StringComparison.Ordinal) >= 0)) rank = 1;
        }
        return rank;
    }

    private static string Normalize(string path)
    {
        path = path.Replace('\\', '/');
        return path.StartsWith("./", StringComparison.Ordinal) ? path.Substring(2) : path;
    }

    private static List<Element> Read(string file)
    {
        var elements = new List<Element>();
        try
        {
            using var reader = XmlReader.Create(file, new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore, XmlResolver = null });
            while (reader.Read())
            {
                if (reader.NodeType != XmlNodeType.Element || reader.GetAttribute("Include") is not { } include) continue;
                var position = (IXmlLineInfo)reader;
                var element = new Element(reader.LocalName, include, position.LineNumber, position.LinePosition);
                while (reader.MoveToNextAttribute()) element.Attributes[reader.LocalName] = reader.Value.Trim();
                elements.Add(element);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or XmlException)
        {
            // A location is a courtesy: without one the message still names the file.
        }
        return elements;
    }

    private sealed class Element(string name, string include, int line, int column)
    {
        public string Name { get; } = name;

        public string Include { get; } = include;

        public int Line { get; } = line;

        public int Column { get; } = column;

        public Dictionary<string, string> Attributes { get; } = new(StringComparer.OrdinalIgnoreCase);

        /// <summary>How many of the given metadata the element states as they are.</summary>
        public int CountEqual(IReadOnlyDictionary<string, string> metadata)
        {
            var count = 0;
            foreach (var entry in metadata)
                if (Attributes.TryGetValue(entry.Key, out var value) && value == entry.Value) count++;
            return count;
        }
    }
}
