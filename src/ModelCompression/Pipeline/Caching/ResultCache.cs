using System.Security.Cryptography;
using System.Text.Json;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline.Caching;

/// <summary>
/// Finished results by the key of their inputs, in a folder or behind HTTP (docs/cache.md). Nothing that happens here fails a build: a store that does not answer is one
/// warning and is then left alone, and a damaged entry counts as none. Serves one model at a time.
/// </summary>
public sealed class ResultCache : IDisposable
{
    private const string ReportName = "report.json";
    private const string OutputPrefix = "output/";
    private const long LargestEntryByteLength = 1 << 20;

    private readonly ResultStore store;
    private readonly Action<Diagnostic> report;
    private bool gone;
    private bool readOnly;

    internal ResultCache(ResultStore store, Action<Diagnostic> report)
    {
        this.store = store;
        this.report = report;
    }

    /// <summary>Opens the cache that <c>ModelCompressionCachePath</c> names; nothing is read or sent yet.</summary>
    /// <param name="path">A folder, relative to <paramref name="baseFolder"/> or absolute, or an <c>http(s):</c> address.</param>
    /// <param name="baseFolder">The project's folder.</param>
    /// <param name="report">Takes warnings.</param>
    /// <returns>Null when there is no path, or after a warning when it makes no sense.</returns>
    public static ResultCache? Open(string? path, string baseFolder, Action<Diagnostic> report)
    {
        if (string.IsNullOrWhiteSpace(path)) return null;
        path = path.Trim();
        if (!path.Contains("://", StringComparison.Ordinal)) return new(new FolderStore(Path.GetFullPath(Path.Combine(baseFolder, path))), report);
        if (Uri.TryCreate(path, UriKind.Absolute, out var address))
        {
            if (address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps) return new(new HttpStore(address), report);
            if (address.IsFile) return new(new FolderStore(address.LocalPath), report);
        }

        report(Diagnostic.Warning("MCB9063", "ModelCompressionCachePath is neither a folder nor an http or https address; this build goes without a cache."));
        return null;
    }

    /// <summary>Brings back a result into the staging folder.</summary>
    /// <returns>Its report and what was said to the user then; null when there is no such result.</returns>
    internal CachedResult? Fetch(string key, StagingFolder staging, CancellationToken cancellation)
    {
        if (gone) return null;
        try
        {
            using var bytes = new MemoryStream();
            if (!store.Get("ac/" + key, bytes, LargestEntryByteLength, cancellation)) return null;
            if (CacheEntry.Parse(bytes.GetBuffer().AsSpan(0, (int)bytes.Length)) is { } entry && Fetch(entry, staging, cancellation) is { } result) return result;
            report(Diagnostic.Note("MCB9062", $"The entry {key[..12]} of the cache '{store.Name}' is damaged or incomplete; it is ignored and made anew."));
        }
        catch (StoreException e)
        {
            GoOn(e);
        }

        staging.Clear();
        return null;
    }

    /// <summary>Stores a result; files first, so that an entry never names what is not there.</summary>
    /// <param name="key">Its key.</param>
    /// <param name="result">Report, and what was said.</param>
    /// <param name="files">Files by their name relative to the output's folder.</param>
    /// <param name="cancellation">Stops between files.</param>
    internal void Store(string key, CachedResult result, IReadOnlyDictionary<string, string> files, CancellationToken cancellation)
    {
        if (gone || readOnly) return;
        try
        {
            var stored = new List<CachedFile> { Put(ReportName, new MemoryStream(JsonReport.Serialize(result.Report)), cancellation) };
            foreach (var (name, path) in files) stored.Add(Put(OutputPrefix + name, File.OpenRead(path), cancellation));
            using var entry = new MemoryStream(new CacheEntry(stored, result.WriteNotes()).Serialize());
            store.Put("ac/" + key, entry, cancellation);
        }
        catch (StoreException e)
        {
            GoOn(e);
        }
        catch (ReadOnlyStoreException e)
        {
            readOnly = true;
            report(Diagnostic.Note("MCB9061", $"The cache '{store.Name}' can be read but not written ({e.Message}); new results are not shared."));
        }
        catch (IOException e)
        {
            report(Diagnostic.Warning("MCB9060", $"A result could not be read back for the cache '{store.Name}': {e.Message}"));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => store.Dispose();

    private CachedResult? Fetch(CacheEntry entry, StagingFolder staging, CancellationToken cancellation)
    {
        CompressionReport? found = null;
        foreach (var file in entry.Files)
        {
            if (file.Path == ReportName)
            {
                using var bytes = new MemoryStream();
                if (!Fetch(file, bytes, cancellation)) return null;
                found = Read(bytes);
            }
            else if (file.Path.StartsWith(OutputPrefix, StringComparison.Ordinal) && staging.Contained(file.Path[OutputPrefix.Length..]) is { } path)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                using var target = File.Create(path);
                if (!Fetch(file, target, cancellation)) return null;
            }
        }

        return found is null ? null : CachedResult.Read(found, entry.Notes);
    }

    /// <summary>Copies a blob and compares length and digest.</summary>
    private bool Fetch(CachedFile file, Stream target, CancellationToken cancellation)
    {
        using var hash = SHA256.Create();
        using var hashing = new CryptoStream(target, hash, CryptoStreamMode.Write, leaveOpen: true);
        if (!store.Get("cas/" + file.Sha256, hashing, file.ByteLength + 1, cancellation)) return false;
        hashing.FlushFinalBlock();
        return target.Length == file.ByteLength && Convert.ToHexStringLower(hash.Hash!) == file.Sha256;
    }

    private CachedFile Put(string role, Stream content, CancellationToken cancellation)
    {
        using (content)
        {
            string digest = Convert.ToHexStringLower(SHA256.HashData(content));
            content.Position = 0;
            store.Put("cas/" + digest, content, cancellation);
            return new CachedFile(role, digest, content.Length);
        }
    }

    private static CompressionReport? Read(MemoryStream bytes)
    {
        try
        {
            return JsonReport.Deserialize(bytes.GetBuffer().AsSpan(0, (int)bytes.Length));
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private void GoOn(StoreException e)
    {
        gone |= e.Permanent;
        report(Diagnostic.Warning("MCB9060", $"The cache '{store.Name}' cannot be used: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}. This build goes on without it; check ModelCompressionCachePath and the server."));
    }
}
