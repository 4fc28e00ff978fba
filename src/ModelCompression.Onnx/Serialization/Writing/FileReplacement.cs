namespace ModelCompression.Onnx.Serialization.Writing;

/// <summary>
/// Writes files under temporary names in their own folder and puts them into place together by renaming; until then, and after a failure,
/// the old files stand as they were.
/// </summary>
internal sealed class FileReplacement : IDisposable
{
    private readonly List<(string Temporary, string Target)> files = [];

    /// <summary>Opens a new file that will become <paramref name="target"/>.</summary>
    /// <param name="target">Full path.</param>
    /// <param name="byteLength">Bytes that will be written; reserved at once, so that a full disk shows before any work is done.</param>
    /// <exception cref="DiskFullException">There is not that much space.</exception>
    /// <exception cref="IOException">The file cannot be made; the message names <paramref name="target"/>.</exception>
    public FileStream Create(string target, long byteLength)
    {
        string folder = Path.GetDirectoryName(target)!;
        // Asked first, since reserving too much fills the disk for a moment before it fails.
        if (FreeSpace(folder) is { } free && free < byteLength) throw new DiskFullException();
        string temporary = Path.Combine(folder, $".mcb-{Guid.NewGuid():N}.tmp");
        files.Add((temporary, target));
        try
        {
            return new FileStream(temporary, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                Share = FileShare.None,
                BufferSize = 1 << 16,
                PreallocationSize = byteLength,
            });
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw About(target, temporary, error);
        }
    }

    /// <summary>Puts all files into place. When one cannot be, those before it are taken back.</summary>
    public void Commit()
    {
        var undo = new List<(string Target, string? Backup)>();
        try
        {
            foreach (var (temporary, target) in files)
            {
                // Only the last rename can be the atomic replacement of an old file; the ones before it need a way back.
                string? backup = null;
                if (target != files[^1].Target && File.Exists(target))
                {
                    backup = Path.Combine(Path.GetDirectoryName(target)!, $".mcb-{Guid.NewGuid():N}.old");
                    File.Move(target, backup);
                }

                undo.Add((target, backup));
                Move(temporary, target);
            }
        }
        catch
        {
            foreach (var (target, backup) in undo)
            {
                if (backup is null) continue;
                File.Move(backup, target, overwrite: true);
            }

            throw;
        }

        foreach (var (_, backup) in undo)
            if (backup is not null) File.Delete(backup);
        files.Clear();
    }

    /// <summary>Deletes what was not put into place.</summary>
    public void Dispose()
    {
        foreach (var (temporary, _) in files) File.Delete(temporary);
    }

    private static void Move(string temporary, string target)
    {
        try
        {
            File.Move(temporary, target, overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw About(target, temporary, error);
        }
    }

    /// <summary>The user knows nothing of temporary names.</summary>
    private static IOException About(string target, string temporary, Exception error) =>
        new(error.Message.Replace(temporary, target, StringComparison.Ordinal), error) { HResult = error.HResult };

    /// <summary>Bytes this user may still write to the disk of a folder, or null when the system does not say.</summary>
    private static long? FreeSpace(string folder)
    {
        try
        {
            return new DriveInfo(folder).AvailableFreeSpace;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }
}

/// <summary>A disk has less space than a file needs.</summary>
internal sealed class DiskFullException() : IOException("The disk is full.");
