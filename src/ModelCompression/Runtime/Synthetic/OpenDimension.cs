using System.Globalization;

namespace ModelCompression.Runtime.Synthetic;

/// <summary>Sizes for dimensions a model leaves open. One symbol has one size in all inputs.</summary>
internal static class OpenDimension
{
    /// <summary>The size of a symbol; sums and products such as <c>past_sequence_length + 1</c> are worked out.</summary>
    /// <param name="symbol">Symbol, or null when the dimension has none.</param>
    /// <param name="axis">Its axis.</param>
    /// <param name="rank">Rank of the input.</param>
    /// <param name="isPicture">Whether the input is a picture or feature map (rank 4 or more).</param>
    /// <param name="attempt">Sizes to use.</param>
    public static long SizeOf(string? symbol, int axis, int rank, bool isPicture, SyntheticAttempt attempt)
    {
        if (symbol?.Split('+', StringSplitOptions.TrimEntries) is { Length: > 1 } terms)
            return terms.Sum(t => long.TryParse(t, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : SizeOf(t, axis, rank, isPicture, attempt));

        string name = symbol?.ToLowerInvariant() ?? "";
        if (IsBatch(name) || (axis == 0 && rank > 1 && !IsLength(name))) return attempt.Batch;
        if (name.Contains("past", StringComparison.Ordinal) || name.Contains("cache", StringComparison.Ordinal)) return 1;
        if (name.Contains("channel", StringComparison.Ordinal)) return 3;
        if (IsSpatial(name) || (isPicture && axis >= 2 && !IsLength(name))) return attempt.Spatial;
        return isPicture && axis == 1 ? 3 : attempt.Length;
    }

    private static bool IsBatch(string name) => name is "n" or "b" or "bs" || name.Contains("batch", StringComparison.Ordinal);

    private static bool IsLength(string name) =>
        name is "s" or "t" or "l" || name.Contains("seq", StringComparison.Ordinal) || name.Contains("len", StringComparison.Ordinal) || name.Contains("time", StringComparison.Ordinal)
        || name.Contains("frame", StringComparison.Ordinal) || name.Contains("token", StringComparison.Ordinal) || name.Contains("sample", StringComparison.Ordinal);

    private static bool IsSpatial(string name) =>
        name is "h" or "w" || name.Contains("height", StringComparison.Ordinal) || name.Contains("width", StringComparison.Ordinal);
}
