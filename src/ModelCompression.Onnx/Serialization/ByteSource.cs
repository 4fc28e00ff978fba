using System.Buffers;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Serialization;

/// <summary>The bytes of a serialized model: a mapped file or memory. Disposing does not release what tensors refer to.</summary>
internal abstract unsafe class ByteSource : IDisposable
{
    /// <summary>First byte; valid until disposal.</summary>
    public abstract byte* Start { get; }

    /// <summary>Number of bytes.</summary>
    public abstract long Length { get; }

    /// <summary>Part of the bytes as tensor data that outlives this object.</summary>
    public abstract TensorData Slice(long offset, long length);

    /// <inheritdoc/>
    public virtual void Dispose()
    {
    }

    public static ByteSource Of(MappedFile file) => new FileSource(file);

    public static ByteSource Of(ReadOnlyMemory<byte> memory) => new MemorySource(memory);

    private sealed class FileSource(MappedFile file) : ByteSource
    {
        public override byte* Start => file.Start;

        public override long Length => file.Length;

        public override TensorData Slice(long offset, long length) => file.Slice(offset, length);
    }

    private sealed class MemorySource(ReadOnlyMemory<byte> memory) : ByteSource
    {
        private MemoryHandle handle = memory.Pin();

        public override byte* Start => (byte*)handle.Pointer;

        public override long Length => memory.Length;

        public override TensorData Slice(long offset, long length) => new MemoryTensorData(memory.Slice((int)offset, (int)length));

        public override void Dispose()
        {
            handle.Dispose();
            base.Dispose();
        }
    }
}
