using System.Runtime.InteropServices;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification.Evaluation;

/// <summary>Tensor bytes that are computed when they are first asked for: large rearranged weights cost nothing until someone wants them.</summary>
/// <param name="byteLength">Number of bytes.</param>
/// <param name="fill">Writes them; must not fail.</param>
internal sealed class ComputedTensorData(long byteLength, Action<byte[]> fill) : TensorData
{
    private readonly Lazy<byte[]> bytes = new(() =>
    {
        byte[] array = new byte[byteLength];
        fill(array);
        return array;
    });

    /// <inheritdoc/>
    public override long ByteLength => byteLength;

    /// <inheritdoc/>
    protected override ref readonly byte First => ref MemoryMarshal.GetArrayDataReference(bytes.Value);

    /// <inheritdoc/>
    public override IEnumerable<ReadOnlyMemory<byte>> Blocks()
    {
        for (int at = 0; at < bytes.Value.Length; at += MaxBlockByteLength)
            yield return bytes.Value.AsMemory(at, Math.Min(MaxBlockByteLength, bytes.Value.Length - at));
    }
}
