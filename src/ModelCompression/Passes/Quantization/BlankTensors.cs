using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization;

/// <summary>Tensors without content, for models of which only the size counts: all of them lie in the same memory.</summary>
internal sealed class BlankTensors
{
    private byte[] bytes = new byte[1];

    /// <summary>A tensor of zeros.</summary>
    public Tensor Of(DataType type, ReadOnlySpan<long> dims)
    {
        int byteLength = checked((int)type.ByteLength(Tensor.CountElements(dims)));
        if (bytes.Length < byteLength) bytes = new byte[byteLength];
        return new Tensor(type, dims, new BlankData(bytes, byteLength));
    }

    private sealed class BlankData(byte[] bytes, int byteLength) : TensorData
    {
        public override long ByteLength => byteLength;

        protected override ref readonly byte First => ref bytes[0];

        public override IEnumerable<ReadOnlyMemory<byte>> Blocks()
        {
            yield return bytes.AsMemory(0, byteLength);
        }
    }
}
