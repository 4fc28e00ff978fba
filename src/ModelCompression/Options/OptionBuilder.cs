using System.Globalization;

namespace ModelCompression.Options;

/// <summary>Makes the usual kinds of <see cref="OptionDefinition"/>.</summary>
internal sealed class OptionBuilder(string category)
{
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    public OptionDefinition Choice<T>(string name, string meaning, Func<CompressionOptions, T, CompressionOptions> set, Func<CompressionOptions, T?> get, string? defaultText, bool rule = false)
        where T : struct, Enum
    {
#pragma warning disable CA2263 // The generic method is compiled anew for each of the many kinds of options, at the start of every run.
        string[] names = Array.ConvertAll(Enum.GetNames(typeof(T)), Spelling);
#pragma warning restore CA2263
        // Names of options are written with hyphens on a command line, so values are, too.
        int Find(string text) => Array.FindIndex(names, n => n.Equals(text.Replace("-", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase));
        return new()
        {
            Name = name,
            Kind = OptionKind.Choice,
            Category = category,
            Meaning = meaning,
            Choices = names,
            AllowedInRule = rule,
            Allowed = string.Join(", ", names),
            Default = defaultText ?? "",
            Parse = (o, text) => Find(text) is >= 0 and int i ? set(o, Enum.GetValues<T>()[i]) : null,
            Format = o => get(o) is { } value ? Spelling(value.ToString()) : null,
        };
    }

    public OptionDefinition Integer(string name, string meaning, int min, int max, Func<CompressionOptions, int, CompressionOptions> set, Func<CompressionOptions, int?> get, string defaultText, bool rule = false, string? allowed = null, Func<int, bool>? check = null) => new()
    {
        Name = name,
        Kind = OptionKind.Integer,
        Category = category,
        Meaning = meaning,
        AllowedInRule = rule,
        Default = defaultText,
        Allowed = allowed ?? (max == int.MaxValue ? $"a whole number ≥ {min.ToString(Invariant)}" : $"a whole number from {min.ToString(Invariant)} to {max.ToString(Invariant)}"),
        Parse = (o, text) => int.TryParse(text, NumberStyles.AllowLeadingSign, Invariant, out int value) && value >= min && value <= max && check?.Invoke(value) != false ? set(o, value) : null,
        Format = o => get(o)?.ToString(Invariant),
    };

    public OptionDefinition Real(string name, string meaning, string allowed, Func<double, bool> check, Func<CompressionOptions, double, CompressionOptions> set, Func<CompressionOptions, double?> get, string defaultText = "", bool rule = false) => new()
    {
        Name = name,
        Kind = OptionKind.Real,
        Category = category,
        Meaning = meaning,
        AllowedInRule = rule,
        Default = defaultText,
        Allowed = allowed,
        Parse = (o, text) => double.TryParse(text, NumberStyles.Float, Invariant, out double value) && double.IsFinite(value) && check(value) ? set(o, value) : null,
        Format = o => get(o)?.ToString("R", Invariant),
    };

    public OptionDefinition Boolean(string name, string meaning, Func<CompressionOptions, bool, CompressionOptions> set, Func<CompressionOptions, bool?> get, string defaultText) => new()
    {
        Name = name,
        Kind = OptionKind.Boolean,
        Category = category,
        Meaning = meaning,
        Default = defaultText,
        Allowed = "true, false",
        Choices = ["true", "false"],
        Parse = (o, text) => bool.TryParse(text, out bool value) ? set(o, value) : null,
        Format = o => get(o) switch { true => "true", false => "false", null => null },
    };

    public OptionDefinition Time(string name, string meaning, Func<CompressionOptions, TimeSpan, CompressionOptions> set, Func<CompressionOptions, TimeSpan?> get, string defaultText = "") => new()
    {
        Name = name,
        Kind = OptionKind.TimeSpan,
        Category = category,
        Meaning = meaning,
        Default = defaultText,
        Allowed = "a time span (00:10:00, 90s, 10min, 2h)",
        Parse = (o, text) => OptionValueParsers.Time(text) is { } value ? set(o, value) : null,
        Format = o => get(o)?.ToString("c", Invariant),
    };

    public OptionDefinition List(string name, string meaning, OptionKind kind, string allowed, Func<CompressionOptions, IReadOnlyList<string>, CompressionOptions> set, Func<CompressionOptions, IReadOnlyList<string>> get) => new()
    {
        Name = name,
        Kind = kind,
        Category = category,
        Meaning = meaning,
        Allowed = allowed,
        Parse = (o, text) => Split(text) is { Count: > 0 } items ? set(o, items) : null,
        Format = o => get(o) is { Count: > 0 } items ? string.Join(';', items) : null,
    };

    /// <summary>Splits a semicolon list; empty entries vanish.</summary>
    public static IReadOnlyList<string> Split(string text) =>
        text.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>The contract's spelling of an enum member.</summary>
    private static string Spelling(string member) => member == nameof(QuantizationFormat.Qdq) ? "QDQ" : member;
}
