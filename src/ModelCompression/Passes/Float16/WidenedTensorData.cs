using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Float16;

/// <summary>The elements of a binary16 or bfloat16 constant as binary32, converted when they are asked for.</summary>
/// <param name="source">The constant as it is stored.</param>
internal sealed class WidenedTensorData(Tensor source) : TensorData
{
    private Tensor? widened;

    /// <summary>The constant as it is stored.</summary>
    public Tensor Source => source;

    /// <inheritdoc/>
    public override long ByteLength => source.ElementCount * sizeof(float);

    /// <inheritdoc/>
    protected override ref readonly byte First => ref Unsafe.As<float, byte>(ref MemoryMarshal.GetReference(Widened.AsSpan<float>()));

    private Tensor Widened => Volatile.Read(ref widened) ?? Widen();

    /// <summary>What a file holds: the constant itself, or what it was widened from.</summary>
    public static Tensor StoredAs(Tensor tensor) => tensor.Data is WidenedTensorData data ? data.Source.Reshape(tensor.Dims) : tensor;

    /// <inheritdoc/>
    public override IEnumerable<ReadOnlyMemory<byte>> Blocks() => Widened.Data.Blocks();

    /// <summary>Forgets the converted elements, too; whoever still looks at them keeps them alive.</summary>
    public override void ReleasePages()
    {
        source.Data.ReleasePages();
        Volatile.Write(ref widened, null);
    }

    private Tensor Widen()
    {
        var result = FloatElements.AsFloat(source);
        Volatile.Write(ref widened, result);
        return result;
    }
}
