using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace ModelCompression.Testing.Zoo;

/// <summary>Makes folders of the zoo on first use. Any number of processes may ask at the same time.</summary>
/// <param name="root">The folder that holds one folder per source.</param>
internal sealed class ZooStore(string root)
{
    private static readonly TimeSpan LockPatience = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan LockInterval = TimeSpan.FromMilliseconds(100);

    // Lazy also keeps a failure: a machine without a source is asked once, not once per test.
    private readonly ConcurrentDictionary<string, Lazy<string>> _folders = new(StringComparer.Ordinal);

    /// <summary>The source's folder, complete.</summary>
    /// <exception cref="ModelUnavailableException">The source is out of reach, or delivers other bytes than the pinned ones.</exception>
    public string GetFolder(ZooSource source) => _folders.GetOrAdd(source.Name, _ => new(() => Obtain(source))).Value;

    private string Obtain(ZooSource source)
    {
        var folder = Path.Combine(root, source.Name);
        if (Directory.Exists(folder))
            return folder;

        Directory.CreateDirectory(root);
        using var _ = WaitForLock(Path.Combine(root, $".{source.Name}.lock"));
        if (Directory.Exists(folder))
            return folder;

        var work = Path.Combine(root, $".{source.Name}-{Guid.NewGuid():N}");
        try
        {
            var download = Directory.CreateDirectory(Path.Combine(work, "download")).FullName;
            var content = Directory.CreateDirectory(Path.Combine(work, "content")).FullName;
            var archive = source.Fetch(download);
            Verify(source, archive);
            source.Extract(archive, content);
            // The folder appears complete or not at all.
            Directory.Move(content, folder);
            return folder;
        }
        finally
        {
            if (Directory.Exists(work))
                Directory.Delete(work, recursive: true);
        }
    }

    private static void Verify(ZooSource source, string archive)
    {
        using var stream = File.OpenRead(archive);
        var actual = Convert.ToHexStringLower(SHA256.HashData(stream));
        if (actual != source.Sha256)
            throw new ModelUnavailableException($"{source.Description} has SHA-256 {actual} instead of the pinned {source.Sha256}; it was not used.");
    }

    private static FileStream WaitForLock(string path)
    {
        var deadline = DateTime.UtcNow + LockPatience;
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (DateTime.UtcNow < deadline)
            {
                Thread.Sleep(LockInterval);
            }
        }
    }
}
