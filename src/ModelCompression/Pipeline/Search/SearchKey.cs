using System.Security.Cryptography;
using System.Text;
using ModelCompression.Options;

namespace ModelCompression.Pipeline.Search;

/// <summary>Key of what all candidates of a search have in common. Budgets, gates and the seed are no part of it: they decide which candidates are tried, not what becomes of them.</summary>
internal static class SearchKey
{
    private static readonly HashSet<string> NoPart = new(SearchCandidate.SearchMetadata.Concat(["MaxMetricDrop", "MinMetric", "MaxSize", "OnFailure"]), StringComparer.OrdinalIgnoreCase);

    /// <summary>The key, short enough for a folder.</summary>
    public static string Of(CompressionRequest request, CompressionOptions options, string sourceSha256, int folds)
    {
        var inputs = RunInputs.Of(request, options, Task.FromResult(sourceSha256));
        var text = new StringBuilder(FormattableString.Invariant($"search 1\n{inputs.Tool}\n{sourceSha256}\n{folds}\n"));
        foreach (var file in inputs.External) text.Append(file.Sha256).Append('\n');
        foreach (var (name, value) in inputs.Settings)
            if (!NoPart.Contains(name)) text.Append(name).Append('=').Append(value).Append('\n');
        foreach (var (setting, files) in inputs.Data)
            foreach (var file in files) text.Append(setting).Append(' ').Append(file.Sha256).Append('\n');
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())))[..16];
    }
}
