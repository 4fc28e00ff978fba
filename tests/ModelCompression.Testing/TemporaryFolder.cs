namespace ModelCompression.Testing;

/// <summary>A new, empty folder outside the repository that disappears on disposal.</summary>
public sealed class TemporaryFolder : IDisposable
{
    private const int DeletionAttempts = 5;

    /// <summary>Creates the folder.</summary>
    /// <param name="prefix">Start of its name, to recognise it by.</param>
    public TemporaryFolder(string prefix = "mcb-") => Path = Directory.CreateTempSubdirectory(prefix).FullName;

    /// <summary>Absolute path of the folder.</summary>
    public string Path { get; }

    /// <summary>Absolute path of something in the folder; its parent folder exists afterwards.</summary>
    public string Combine(params string[] parts)
    {
        var path = System.IO.Path.Combine([Path, .. parts]);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        return path;
    }

    /// <summary>Writes a text file and returns its path.</summary>
    public string Write(string relativePath, string content)
    {
        var path = Combine(relativePath);
        File.WriteAllText(path, content);
        return path;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        for (var attempt = 1; Directory.Exists(Path); attempt++)
        {
            try
            {
                Directory.Delete(Path, recursive: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException && attempt < DeletionAttempts)
            {
                // Virus scanners and processes that are just ending hold files for a moment.
                Thread.Sleep(100 * attempt);
            }
        }
    }
}
