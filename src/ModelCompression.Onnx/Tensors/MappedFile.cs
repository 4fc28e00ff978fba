using System.IO.MemoryMappedFiles;

namespace ModelCompression.Onnx.Tensors;

/// <summary>A file mapped into memory for reading. Tensors over it stay valid until it is disposed.</summary>
/// <remarks>Should another program shorten the file meanwhile, touching the lost part ends the process; nothing in .NET can catch that.</remarks>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile file;
    private readonly MemoryMappedViewAccessor view;
    private byte* start;

    private MappedFile(MemoryMappedFile file, long length)
    {
        this.file = file;
        Length = length;
        view = file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        // Counts as a reference: the finalizer of the handle alone cannot unmap what a span may still look at.
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        start += view.PointerOffset;
    }

    /// <summary>Bytes of the file when it was opened.</summary>
    public long Length { get; }

    /// <summary>First byte.</summary>
    /// <exception cref="ObjectDisposedException">The file has been unmapped.</exception>
    public byte* Start
    {
        get
        {
            ObjectDisposedException.ThrowIf(start is null, this);
            return start;
        }
    }

    /// <summary>Maps <paramref name="path"/>, which must not be empty.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read, or is a folder.</exception>
    public static MappedFile Open(string path)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 1);
        try
        {
            long length = stream.Length;
            return new MappedFile(MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false), length);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Part of the file as tensor data.</summary>
    public TensorData Slice(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - offset);
        return new MappedTensorData(this, offset, length);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (start is null) return;
        start = null;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        file.Dispose();
    }
}
