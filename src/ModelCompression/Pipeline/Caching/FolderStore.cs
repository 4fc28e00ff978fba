using ModelCompression.Onnx.Serialization;

namespace ModelCompression.Pipeline.Caching;

/// <summary>A store in a folder, which may be shared over a network.</summary>
/// <param name="folder">Full path; made when missing.</param>
internal sealed class FolderStore(string folder) : ResultStore
{
    private const int BufferByteLength = 1 << 20;

    /// <inheritdoc/>
    public override string Name => folder;

    /// <inheritdoc/>
    public override bool Get(string name, Stream target, long limit, CancellationToken cancellation)
    {
        string path = PathOf(name);
        try
        {
            FileKind.Require(path);
            using (var source = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1, FileOptions.SequentialScan))
            {
                byte[] buffer = new byte[Math.Min(BufferByteLength, limit + 1)];
                for (int read; limit > 0 && (read = source.Read(buffer, 0, (int)Math.Min(buffer.Length, limit))) > 0; limit -= read)
                {
                    cancellation.ThrowIfCancellationRequested();
                    target.Write(buffer, 0, read);
                }
            }

            Touch(path);
            return true;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreException(e.Message, permanent: true, e);
        }
    }

    /// <inheritdoc/>
    public override void Put(string name, Stream source, CancellationToken cancellation)
    {
        string path = PathOf(name), temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            using (var target = File.Create(temporary)) source.CopyTo(target);
            File.Move(temporary, path, overwrite: true);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new ReadOnlyStoreException(e.Message);
        }
        catch (IOException e)
        {
            Remove(temporary);
            throw new StoreException(e.Message, permanent: true, e);
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        // Files are open during a call only.
    }

    private string PathOf(string name) => Path.Combine(folder, name.Replace('/', Path.DirectorySeparatorChar));

    /// <summary>Notes that the blob is in use, so that whoever tidies the folder by age keeps it. A folder without write access goes without.</summary>
    private static void Touch(string path)
    {
        try
        {
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Only tidying by age suffers.
        }
    }

    private static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The reason why it could not be written often is the reason why it cannot be deleted.
        }
    }
}
