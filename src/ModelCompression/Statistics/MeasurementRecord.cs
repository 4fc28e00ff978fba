using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;

namespace ModelCompression.Statistics;

/// <summary>
/// What decides bytes and was learnt by running the model. The last bits of such figures depend on the vector width of the CPU, so a lock file keeps those of the machine
/// that made it, and builds on other machines take them instead of their own. Weights that follow from whole matrices of figures are too many to be kept; their digests
/// tell which step gave something else.
/// </summary>
/// <param name="recorded">What an earlier run with the same inputs has measured, or null.</param>
public sealed class MeasurementRecord(Measurements? recorded = null)
{
    private readonly Lock gate = new();
    private readonly SortedDictionary<string, string> ranges = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, string> values = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, string> outcomes = new(StringComparer.Ordinal);

    /// <summary>What this run has taken or measured so far.</summary>
    public Measurements Measured => new(ranges, values, outcomes);

    /// <summary>Steps whose weights are not those of the earlier run, in order.</summary>
    public IReadOnlyList<string> DifferentOutcomes =>
        recorded is null ? [] : [.. outcomes.Where(o => recorded.Outcomes.TryGetValue(o.Key, out string? before) && before != o.Value).Select(o => o.Key)];

    /// <summary>The recorded range of a tensor, which then counts as used.</summary>
    /// <returns>False when none is recorded.</returns>
    public bool TryGetRange(string tensor, out float minimum, out float maximum)
    {
        (minimum, maximum) = (0, 0);
        if (recorded is null || !recorded.Ranges.TryGetValue(tensor, out string? text)) return false;
        string[] parts = text.Split(' ');
        if (parts.Length != 2 || !TryParse(parts[0], out minimum) || !TryParse(parts[1], out maximum)) return false;
        ranges[tensor] = text;
        return true;
    }

    /// <summary>Notes a range that was measured.</summary>
    public void AddRange(string tensor, float minimum, float maximum) => ranges[tensor] = string.Create(CultureInfo.InvariantCulture, $"{minimum:R} {maximum:R}");

    /// <summary>True if numbers or words are recorded under a name.</summary>
    public bool Has(string name) => recorded?.Values.ContainsKey(name) == true;

    /// <summary>The recorded numbers, or those that <paramref name="measure"/> finds; null when these cannot be had.</summary>
    /// <param name="name">Step and place.</param>
    /// <param name="count">How many numbers there are when there are any; a record with another count is not taken.</param>
    /// <param name="measure">Measures.</param>
    public float[]? Numbers(string name, int count, Func<float[]?> measure)
    {
        string text = Words(name, () => Write(measure()), recordedText => recordedText.Length == 0 || TryRead(recordedText, count) is not null);
        return text.Length == 0 ? null : TryRead(text, null);
    }

    /// <summary>The recorded words, or those that <paramref name="measure"/> finds.</summary>
    /// <param name="name">Step and place.</param>
    /// <param name="measure">Measures.</param>
    /// <param name="isUsable">Rejects recorded words that cannot be meant; null takes all.</param>
    public string Words(string name, Func<string> measure, Func<string, bool>? isUsable = null)
    {
        string? text = null;
        if (recorded?.Values.TryGetValue(name, out text) != true || isUsable?.Invoke(text!) == false) text = measure();
        lock (gate) values[name] = text!;
        return text!;
    }

    /// <summary>Notes the digest of weights that a step made.</summary>
    /// <param name="name">Step and weight.</param>
    /// <param name="parts">Their bytes.</param>
    public void Outcome(string name, params IEnumerable<ReadOnlyMemory<byte>> parts)
    {
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var part in parts) digest.AppendData(part.Span);
        string text = Convert.ToHexStringLower(digest.GetHashAndReset());
        lock (gate) outcomes[name] = text;
    }

    private static string Write(float[]? numbers)
    {
        if (numbers is null) return "";
        byte[] bytes = new byte[numbers.Length * sizeof(float)];
        for (int i = 0; i < numbers.Length; i++) BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), numbers[i]);
        return Convert.ToBase64String(bytes);
    }

    private static float[]? TryRead(string text, int? count)
    {
        byte[] bytes = new byte[text.Length];
        if (!Convert.TryFromBase64String(text, bytes, out int length) || length % sizeof(float) != 0 || (count is { } wanted && length != wanted * sizeof(float))) return null;
        float[] numbers = new float[length / sizeof(float)];
        for (int i = 0; i < numbers.Length; i++) numbers[i] = BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(i * sizeof(float)));
        return numbers;
    }

    private static bool TryParse(string text, out float value) => float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value);
}
