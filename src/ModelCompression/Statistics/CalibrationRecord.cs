using System.Globalization;

namespace ModelCompression.Statistics;

/// <summary>
/// Ranges of activations as text, exact to the last bit. The sums behind them depend on the vector width of the CPU, so a lock file keeps the ranges of the machine that
/// made it, and builds on other machines take them instead of measuring.
/// </summary>
/// <param name="recorded">Ranges of an earlier run by tensor, or null.</param>
public sealed class CalibrationRecord(IReadOnlyDictionary<string, string>? recorded = null)
{
    private readonly SortedDictionary<string, string> ranges = new(StringComparer.Ordinal);

    /// <summary>Ranges used in this run, <c>minimum maximum</c> by tensor.</summary>
    public IReadOnlyDictionary<string, string> Ranges => ranges;

    /// <summary>The recorded range of a tensor, which then counts as used.</summary>
    /// <returns>False when none is recorded.</returns>
    public bool TryGet(string tensor, out float minimum, out float maximum)
    {
        (minimum, maximum) = (0, 0);
        if (recorded is null || !recorded.TryGetValue(tensor, out string? text)) return false;
        string[] parts = text.Split(' ');
        if (parts.Length != 2 || !TryParse(parts[0], out minimum) || !TryParse(parts[1], out maximum)) return false;
        ranges[tensor] = text;
        return true;
    }

    /// <summary>Notes a range that was measured.</summary>
    public void Add(string tensor, float minimum, float maximum) => ranges[tensor] = string.Create(CultureInfo.InvariantCulture, $"{minimum:R} {maximum:R}");

    private static bool TryParse(string text, out float value) => float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value);
}
