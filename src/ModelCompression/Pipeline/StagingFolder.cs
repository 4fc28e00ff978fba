using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;

namespace ModelCompression.Pipeline;

/// <summary>
/// A folder beside the output in which a result is made and checked under its final file name before it replaces the old one.
/// Whatever a killed run left in it is swept by the next.
/// </summary>
internal sealed class StagingFolder : IDisposable
{
    /// <summary>Tells whether two full paths are the same.</summary>
    public static readonly StringComparer SamePath = OperatingSystem.IsLinux() ? StringComparer.Ordinal : StringComparer.OrdinalIgnoreCase;

    private readonly string outputPath;

    /// <summary>Makes the folder, empty.</summary>
    /// <exception cref="DiagnosticException">MCB4010: the output folder cannot be written to.</exception>
    public StagingFolder(string outputPath)
    {
        this.outputPath = outputPath;
        Folder = outputPath + ".staging";
        try
        {
            if (Directory.Exists(Folder)) Directory.Delete(Folder, recursive: true);
            Directory.CreateDirectory(Folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(e);
        }

        ModelPath = Path.Combine(Folder, Path.GetFileName(outputPath));
    }

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>Where the model is made.</summary>
    public string ModelPath { get; }

    /// <summary>Refuses to write where something stands that is no file: a rename would take its place, and nobody means that.</summary>
    /// <exception cref="DiagnosticException">MCB4010.</exception>
    public static void RequireReplaceable(string path)
    {
        if (FileKind.OtherThanFile(path) is { } kind)
            throw new DiagnosticException("MCB4010", $"'{path}' cannot be written: it is {kind}, which no file takes the place of. Give the path of a file, or remove it first.");
    }

    /// <summary>Puts a copy of the source and its external data in the place of what was made.</summary>
    /// <param name="sourcePath">Source model.</param>
    /// <param name="externalData">Its external data; files in sub-folders keep their relative place.</param>
    /// <exception cref="DiagnosticException">MCB4010.</exception>
    public void ReplaceWithOriginal(string sourcePath, IReadOnlyList<string> externalData)
    {
        try
        {
            Clear();
            AddOriginal(sourcePath, externalData);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(e);
        }
    }

    /// <summary>Empties the folder.</summary>
    public void Clear()
    {
        Directory.Delete(Folder, recursive: true);
        Directory.CreateDirectory(Folder);
    }

    /// <summary>Full path of a file of this folder by its relative name; null for a name that leads out of it.</summary>
    public string? Contained(string name)
    {
        string path = Path.GetFullPath(Path.Combine(Folder, name));
        return path.StartsWith(Folder + Path.DirectorySeparatorChar, StringComparison.Ordinal) ? path : null;
    }

    /// <summary>Adds a copy of the source and its external data.</summary>
    /// <exception cref="DiagnosticException">MCB4010.</exception>
    public void AddOriginal(string sourcePath, IReadOnlyList<string> externalData)
    {
        try
        {
            Copy(sourcePath, ModelPath);
            string sourceFolder = Path.GetDirectoryName(sourcePath)!;
            foreach (string file in externalData) Copy(file, Path.Combine(Folder, Path.GetRelativePath(sourceFolder, file)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(e);
        }
    }

    /// <summary>Moves every file of the folder to its final place, the model last, each by a rename. Weights that only the result in its place needed go (<see cref="OldData"/>).</summary>
    /// <param name="read">The source and its external data, which are never overwritten: an original beside its source shares these files.</param>
    /// <returns>Full paths of the files besides the model.</returns>
    /// <exception cref="DiagnosticException">MCB4010, or MCB4002: the result would take the place of a file of the source.</exception>
    public IReadOnlyList<string> Publish(IReadOnlyList<string> read)
    {
        string target = Path.GetDirectoryName(outputPath)!;
        var others = new List<(string File, string Destination)>();
        try
        {
            foreach (string file in Directory.EnumerateFiles(Folder, "*", SearchOption.AllDirectories).Where(f => f != ModelPath).Order(StringComparer.Ordinal))
            {
                string destination = Path.Combine(target, Path.GetRelativePath(Folder, file));
                if (!read.Contains(destination, SamePath)) others.Add((file, destination));
                else if (FileDigest.Sha256(file) != FileDigest.Sha256(destination)) throw Overwrites(destination);
            }

            if (read.Contains(outputPath, SamePath)) throw Overwrites(outputPath);
            foreach (string destination in others.Select(o => o.Destination).Append(outputPath)) RequireReplaceable(destination);
            string? oldData = OldData.Of(outputPath);
            foreach (var (file, destination) in others)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(destination)!);
                File.Move(file, destination, overwrite: true);
            }

            File.Move(ModelPath, outputPath, overwrite: true);
            if (oldData is not null && !read.Concat(others.Select(o => o.Destination)).Contains(oldData, SamePath)) File.Delete(oldData);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(e);
        }

        return [.. others.Select(o => o.Destination)];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            if (Directory.Exists(Folder)) Directory.Delete(Folder, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A virus scanner may hold a file for a moment; the next run sweeps what is left.
        }
    }

    /// <summary>Copies the content only: a read-only source must not make a read-only result.</summary>
    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        using var source = File.OpenRead(from);
        using var target = File.Create(to);
        source.CopyTo(target);
    }

    private static DiagnosticException Overwrites(string path) =>
        new("MCB4002", $"'{Path.GetFileName(path)}' is a file the model is read from; it is never overwritten. Write to another place.");

    private DiagnosticException CannotWrite(Exception e) =>
        new("MCB4010", $"The result '{Path.GetFileName(outputPath)}' cannot be written: {e.Message.ReplaceLineEndings(" ")} Check the permissions of its folder and the free space of the disk.", e);
}
