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
    public FileStream Create(string target, long byteLength)
    {
        string temporary = Path.Combine(Path.GetDirectoryName(target)!, $".mcb-{Guid.NewGuid():N}.tmp");
        files.Add((temporary, target));
        return new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            Share = FileShare.None,
            BufferSize = 1 << 16,
            PreallocationSize = byteLength,
        });
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
                File.Move(temporary, target, overwrite: true);
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
}
