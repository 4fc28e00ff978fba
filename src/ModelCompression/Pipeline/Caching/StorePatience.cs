using System.Security.Cryptography;
using System.Text;

namespace ModelCompression.Pipeline.Caching;

/// <summary>How long a store behind HTTP may keep a build waiting.</summary>
/// <param name="Connect">For a connection.</param>
/// <param name="Answer">For an answer to begin, and for each further piece of it.</param>
/// <param name="Remembered">How long other processes go without a store that was found out of reach.</param>
internal sealed record StorePatience(TimeSpan Connect, TimeSpan Answer, TimeSpan Remembered)
{
    /// <summary>Two seconds to connect, eight to answer; remembered for half a minute.</summary>
    public static StorePatience Default { get; } = new(TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(8), TimeSpan.FromSeconds(30));
}

/// <summary>
/// Remembers for a moment that a store is out of reach, in a file of the temporary folder: each project of a solution has a worker process of its own,
/// and only the first is to wait in vain.
/// </summary>
internal sealed class UnreachableMark(Uri address, TimeSpan remembered)
{
    private readonly string path = Path.Combine(Path.GetTempPath(), $"modelcompression-{Environment.UserName}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(address.AbsoluteUri)))[..16]}.unreachable");

    /// <summary>True if a process met the store out of reach a moment ago.</summary>
    public bool IsFresh => File.Exists(path) && DateTime.UtcNow - File.GetLastWriteTimeUtc(path) is var age && age > -remembered && age < remembered;

    /// <summary>Notes that the store is out of reach.</summary>
    public void Set()
    {
        try
        {
            File.WriteAllText(path, "");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Then every process finds out by itself.
        }
    }
}
