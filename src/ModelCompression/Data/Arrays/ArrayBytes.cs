namespace ModelCompression.Data.Arrays;

/// <summary>Bytes that are read where and when they are needed. Reading is thread-safe.</summary>
internal abstract class ArrayBytes : IDisposable
{
    /// <summary>Number of bytes.</summary>
    public abstract long Length { get; }

    /// <summary>Fills <paramref name="destination"/> with the bytes from <paramref name="offset"/> on.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB3003: fewer bytes are there, or they are damaged.</exception>
    public abstract void Read(long offset, Span<byte> destination);

    /// <inheritdoc/>
    public virtual void Dispose()
    {
    }
}

/// <summary>Part of an open file.</summary>
internal sealed class FileBytes(DataFile file, long start, long length) : ArrayBytes
{
    public override long Length => length;

    public override void Read(long offset, Span<byte> destination)
    {
        if (offset < 0 || offset + destination.Length > length) throw DataError.Damaged(file.Path, "an array ends before its last element");
        file.Read(start + offset, destination);
    }
}
