using System.Runtime.InteropServices;

namespace ModelCompression.Onnx.Tensors;

/// <summary>Tensor bytes in a block of memory; any alignment.</summary>
internal sealed class MemoryTensorData(ReadOnlyMemory<byte> memory) : TensorData
{
    public override long ByteLength => memory.Length;

    protected override ref readonly byte First => ref MemoryMarshal.GetReference(memory.Span);

    public override IEnumerable<ReadOnlyMemory<byte>> Blocks() => BlocksOf(memory);
}
