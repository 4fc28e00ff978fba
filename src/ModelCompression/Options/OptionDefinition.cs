namespace ModelCompression.Options;

/// <summary>Kinds of option values, for documentation and property pages.</summary>
public enum OptionKind
{
    /// <summary>One of a fixed set of names.</summary>
    Choice,

    /// <summary>A whole number.</summary>
    Integer,

    /// <summary>A real number, written with a point.</summary>
    Real,

    /// <summary><c>true</c> or <c>false</c>.</summary>
    Boolean,

    /// <summary>Texts separated by semicolons.</summary>
    List,

    /// <summary>Data files or folders separated by semicolons.</summary>
    Data,

    /// <summary>Any text.</summary>
    Text,

    /// <summary>A size with a unit, or a percentage.</summary>
    Size,

    /// <summary>A time span such as <c>00:10:00</c> or <c>90s</c>.</summary>
    TimeSpan,
}

/// <summary>
/// One setting: its name, its values, its meaning, and how it is read into and out of <see cref="CompressionOptions"/>.
/// The task, the tool, the documentation and the error messages all derive from these definitions.
/// </summary>
public sealed class OptionDefinition
{
    /// <summary>Name of the metadata; the tool's option is its kebab-case form.</summary>
    public required string Name { get; init; }

    /// <summary>Kind of value.</summary>
    public required OptionKind Kind { get; init; }

    /// <summary>Heading it is documented under.</summary>
    public required string Category { get; init; }

    /// <summary>One or two sentences for users.</summary>
    public required string Meaning { get; init; }

    /// <summary>Names of a <see cref="OptionKind.Choice"/>; otherwise empty.</summary>
    public IReadOnlyList<string> Choices { get; init; } = [];

    /// <summary>Allowed values in words, for messages and documentation.</summary>
    public required string Allowed { get; init; }

    /// <summary>Default in words; empty when there is none.</summary>
    public string Default { get; init; } = "";

    /// <summary>True if a <c>CompressModelRule</c> may set it.</summary>
    public bool AllowedInRule { get; init; }

    /// <summary>Reads a trimmed, non-empty text into the options; null when the text is not allowed.</summary>
    public required Func<CompressionOptions, string, CompressionOptions?> Parse { get; init; }

    /// <summary>Writes the value in canonical form; null when it is not set.</summary>
    public required Func<CompressionOptions, string?> Format { get; init; }

    /// <summary>The tool's spelling: <c>PruningPattern</c> becomes <c>pruning-pattern</c>.</summary>
    public string KebabName => string.Concat(Name.Select((c, i) => char.IsAsciiLetterUpper(c) ? (i > 0 ? "-" : "") + char.ToLowerInvariant(c) : c.ToString()));
}
