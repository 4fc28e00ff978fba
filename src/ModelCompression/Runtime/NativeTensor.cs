using Microsoft.ML.OnnxRuntime;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime;

/// <summary>A tensor in ONNX Runtime's memory, asked once for type, shape and address: asking again at every look would leave garbage behind.</summary>
internal sealed unsafe class NativeTensor
{
    private readonly void* address;
    private readonly long[] dims;
    private readonly int byteLength;

    private NativeTensor(OrtValue value, DataType type, long[] dims)
    {
        Value = value;
        Type = type;
        this.dims = dims;
        var bytes = value.GetTensorMutableRawData();
        byteLength = bytes.Length;
        fixed (byte* first = bytes) address = first;
    }

    /// <summary>The native value; whoever made it disposes it.</summary>
    public OrtValue Value { get; }

    /// <summary>Element type.</summary>
    public DataType Type { get; }

    /// <summary>Shape.</summary>
    public ReadOnlySpan<long> Dims => dims;

    /// <summary>The elements where they lie.</summary>
    public Span<byte> Bytes => new(address, byteLength);

    /// <summary>The elements of a binary32 tensor.</summary>
    public ReadOnlySpan<float> Floats => new(address, byteLength / sizeof(float));

    /// <summary>Sees a native value as a tensor of numbers, or null when it is none.</summary>
    public static NativeTensor? TryFrom(OrtValue value)
    {
        if (!value.IsTensor) return null;
        var info = value.GetTensorTypeAndShape();
        var type = (DataType)info.ElementDataType;
        return type is DataType.Undefined or DataType.String or > DataType.BFloat16 ? null : new(value, type, info.Shape);
    }

    /// <summary>True if a tensor's elements could be copied here.</summary>
    public bool Fits(Tensor tensor) => tensor.Strings is null && tensor.DataType == Type && tensor.ByteLength == byteLength && tensor.Dims.SequenceEqual(dims);
}
