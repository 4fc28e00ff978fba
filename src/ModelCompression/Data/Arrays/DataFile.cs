using Microsoft.Win32.SafeHandles;
using ModelCompression.Onnx.Serialization;

namespace ModelCompression.Data.Arrays;

/// <summary>A data file open for reading at any place.</summary>
internal sealed class DataFile : IDisposable
{
    private readonly SafeFileHandle handle;

    private DataFile(string path, SafeFileHandle handle)
    {
        Path = path;
        this.handle = handle;
        Length = RandomAccess.GetLength(handle);
    }

    /// <summary>Path as the user gave it.</summary>
    public string Path { get; }

    /// <summary>Size in bytes.</summary>
    public long Length { get; }

    /// <summary>Opens a file.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB3001: it does not exist or cannot be opened.</exception>
    public static DataFile Open(string path)
    {
        try
        {
            FileKind.Require(path);
            return new DataFile(path, File.OpenHandle(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw DataError.Of(path, "MCB3001", $"The data cannot be opened: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}. Correct the path or the permissions.", e);
        }
    }

    /// <summary>Fills <paramref name="destination"/> from <paramref name="offset"/> on.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB3003: the file ends before.</exception>
    public void Read(long offset, Span<byte> destination)
    {
        try
        {
            while (destination.Length > 0)
            {
                int count = RandomAccess.Read(handle, destination, offset);
                if (count == 0) throw DataError.Damaged(Path, FormattableString.Invariant($"the file ends at byte {Length}, where more was expected"));
                destination = destination[count..];
                offset += count;
            }
        }
        catch (IOException e)
        {
            throw DataError.Damaged(Path, e.Message.ReplaceLineEndings(" ").TrimEnd('.'), e);
        }
    }

    /// <summary>A stream over part of the file, independent of other readers.</summary>
    public Stream OpenStream(long start, long length) => new RangeStream(this, start, length);

    /// <inheritdoc/>
    public void Dispose() => handle.Dispose();

    private sealed class RangeStream(DataFile file, long start, long length) : Stream
    {
        private long position;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position
        {
            get => position;
            set => throw new NotSupportedException();
        }

        public override int Read(Span<byte> buffer)
        {
            int count = (int)Math.Min(buffer.Length, length - position);
            file.Read(start + position, buffer[..count]);
            position += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
