using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ModelCompression.Onnx.Tensors;

/// <summary>A file mapped into memory for reading. Tensors over it stay valid until it is disposed.</summary>
/// <remarks>Should another program shorten the file meanwhile, touching the lost part ends the process; nothing in .NET can catch that.</remarks>
internal sealed unsafe partial class MappedFile : IDisposable
{
    /// <summary>Value of MADV_DONTNEED on Linux and macOS; on a mapping of a file it only drops the page table entries.</summary>
    private const int DontNeed = 4;

    private readonly MemoryMappedFile file;
    private readonly MemoryMappedViewAccessor view;
    private byte* start;

    private MappedFile(string path, SafeFileHandle handle)
    {
        Path = path;
        Handle = handle;
        Length = RandomAccess.GetLength(handle);
        file = MemoryMappedFile.CreateFromFile(handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        view = file.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
        // Counts as a reference: the finalizer of the handle alone cannot unmap what a span may still look at.
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        start += view.PointerOffset;
    }

    /// <summary>Path it was opened by.</summary>
    public string Path { get; }

    /// <summary>Bytes of the file when it was opened.</summary>
    public long Length { get; }

    /// <summary>The open file.</summary>
    public SafeFileHandle Handle { get; }

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
        var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        try
        {
            return new MappedFile(path, handle);
        }
        catch
        {
            handle.Dispose();
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

    /// <summary>Drops the whole pages of a part from this process; the file's content stays in the system's cache. Does nothing where the system has no such call.</summary>
    public void ReleasePages(long offset, long length)
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS()) return;
        nuint page = (nuint)Environment.SystemPageSize;
        nuint first = ((nuint)(Start + offset) + page - 1) / page * page;
        nuint end = (nuint)(Start + offset + length) / page * page;
        // A hint: when the system declines, the pages merely stay.
        if (end > first) _ = AdviseMemory(first, end - first, DontNeed);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int AdviseMemory(nuint address, nuint length, int advice);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (start is null) return;
        start = null;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        file.Dispose();
        Handle.Dispose();
    }
}
