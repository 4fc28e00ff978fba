using System.IO.Hashing;

namespace ModelCompression.Data.Arrays;

/// <summary>The arrays of one <c>.npz</c> or <c>.npy</c> file.</summary>
internal sealed class ArrayCollection : IDisposable
{
    /// <summary>Stored arrays beyond this are sampled without having been read as a whole.</summary>
    private const long MaxCheckedLength = 256 << 20;

    private readonly DataFile file;

    private ArrayCollection(DataFile file, IReadOnlyList<NpyArray> arrays)
    {
        this.file = file;
        Arrays = arrays;
    }

    /// <summary>Arrays in file order.</summary>
    public IReadOnlyList<NpyArray> Arrays { get; }

    /// <summary>Opens a <c>.npz</c>.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB3001, MCB3003 or MCB3004.</exception>
    public static ArrayCollection OpenNpz(string path) => Open(path, file =>
    {
        var entries = ZipDirectory.Read(file).Where(e => !e.Name.EndsWith('/')).ToList();
        if (entries.Find(e => !e.Name.EndsWith(".npy", StringComparison.OrdinalIgnoreCase)) is { } stranger)
            throw DataError.Damaged(path, $"it holds '{stranger.Name}', which is no array; an .npz is what numpy.savez writes");
        return [.. entries.Select(e => NpyArray.Open(path, e.Name[..^4], e.Method == 0 ? Stored(file, e) : new DeflatedBytes(file, e)))];
    });

    /// <summary>Opens a <c>.npy</c>; its one array is called like the file.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB3001, MCB3003 or MCB3004.</exception>
    public static ArrayCollection OpenNpy(string path) => Open(path, file => [NpyArray.Open(path, Path.GetFileNameWithoutExtension(path), new FileBytes(file, 0, file.Length))]);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var array in Arrays) array.Dispose();
        file.Dispose();
    }

    private static FileBytes Stored(DataFile file, ZipEntry entry)
    {
        var bytes = new FileBytes(file, entry.DataOffset, entry.Length);
        if (entry.Length > MaxCheckedLength) return bytes;
        var crc = new Crc32();
        var buffer = new byte[1 << 16];
        for (long at = 0; at < entry.Length; at += buffer.Length)
        {
            var part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, entry.Length - at));
            bytes.Read(at, part);
            crc.Append(part);
        }

        entry.CheckSum(crc, file.Path);
        return bytes;
    }

    private static ArrayCollection Open(string path, Func<DataFile, IReadOnlyList<NpyArray>> read)
    {
        var file = DataFile.Open(path);
        try
        {
            if (file.Length == 0) throw DataError.Damaged(path, "the file is empty");
            return new ArrayCollection(file, read(file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
