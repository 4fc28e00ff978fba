using System.Globalization;

namespace ModelCompression.Options;

/// <summary>Texts of option values that need more than a number or a name.</summary>
internal static class OptionValueParsers
{
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    private static readonly (string Unit, double Bytes)[] Units =
    [
        ("KiB", 1024d), ("MiB", 1024d * 1024), ("GiB", 1024d * 1024 * 1024), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("B", 1d),
    ];

    /// <summary><c>Unstructured</c>, <c>Channel</c> or <c>N:M</c> with 1 ≤ N &lt; M ≤ 1024.</summary>
    public static PruningPattern? Pattern(string text)
    {
        if (text.Equals("Unstructured", StringComparison.OrdinalIgnoreCase)) return new(PruningPatternKind.Unstructured);
        if (text.Equals("Channel", StringComparison.OrdinalIgnoreCase)) return new(PruningPatternKind.Channel);
        string[] parts = text.Split(':');
        return parts.Length == 2 && int.TryParse(parts[0], NumberStyles.None, Invariant, out int n) && int.TryParse(parts[1], NumberStyles.None, Invariant, out int m)
            && n >= 1 && n < m && m <= 1024
            ? new(PruningPatternKind.NOfM, n, m)
            : null;
    }

    /// <summary><c>4MB</c>, <c>512KiB</c>, <c>25%</c>; the number is positive, a percentage at most 100.</summary>
    public static SizeLimit? Size(string text)
    {
        if (text.EndsWith('%'))
            return TryPositive(text[..^1], out double percent) && percent <= 100 ? new(null, percent) : null;
        foreach (var (unit, bytes) in Units)
        {
            if (!text.EndsWith(unit, StringComparison.OrdinalIgnoreCase)) continue;
            return TryPositive(text[..^unit.Length], out double count) && count * bytes < long.MaxValue ? new((long)(count * bytes), null) : null;
        }

        return null;
    }

    /// <summary>Canonical text of a size.</summary>
    public static string Format(SizeLimit size) =>
        size.PercentOfOriginal is { } percent ? percent.ToString("R", Invariant) + "%" : size.Bytes!.Value.ToString(Invariant) + "B";

    /// <summary><c>hh:mm:ss</c>, or a number with <c>s</c>, <c>m</c>/<c>min</c> or <c>h</c>.</summary>
    public static TimeSpan? Time(string text)
    {
        foreach (var (unit, seconds) in new[] { ("min", 60d), ("s", 1d), ("m", 60d), ("h", 3600d) })
        {
            if (text.EndsWith(unit, StringComparison.OrdinalIgnoreCase) && TryPositive(text[..^unit.Length], out double count) && count * seconds < 1e9)
                return TimeSpan.FromSeconds(count * seconds);
        }

        return text.Contains(':', StringComparison.Ordinal) && TimeSpan.TryParse(text, Invariant, out var span) && span > TimeSpan.Zero ? span : null;
    }

    private static bool TryPositive(string text, out double value) =>
        double.TryParse(text.Trim(), NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, Invariant, out value) && value > 0 && double.IsFinite(value);
}
