using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using ModelCompression.Data;
using ModelCompression.Onnx.Tensors;
using Tensor = ModelCompression.Onnx.Tensors.Tensor;

namespace ModelCompression.Runtime;

/// <summary>Copies values into and out of ONNX Runtime. Its element type numbers are those of <see cref="DataType"/>.</summary>
internal static class OrtValues
{
    /// <summary>Makes a native value; disposing it releases its elements.</summary>
    /// <exception cref="NotSupportedException">A type that the .NET interface of ONNX Runtime cannot feed.</exception>
    public static OrtValue ToNative(ModelValue value) => value switch
    {
        TensorValue { Tensor.Strings: { } strings, Tensor: var tensor } => FromStrings(tensor, strings),
        TensorValue { Tensor: var tensor } => FromTensor(tensor),
        SequenceValue { Elements.Count: 0 } => throw new NotSupportedException("ONNX Runtime's .NET interface cannot feed an empty sequence"),
        SequenceValue sequence => OrtValue.CreateSequence([.. sequence.Elements.Select(ToNative)]),
        OpaqueValue opaque => throw new NotSupportedException($"ONNX Runtime's .NET interface cannot feed a value of kind: {opaque.Description}"),
        _ => throw new NotSupportedException($"a {value.GetType().Name} cannot be fed"),
    };

    /// <summary>Copies a native value; it may be disposed afterwards.</summary>
    public static ModelValue FromNative(OrtValue value) => value.OnnxType switch
    {
        OnnxValueType.ONNX_TYPE_TENSOR => FromNativeTensor(value),
        OnnxValueType.ONNX_TYPE_SEQUENCE => new SequenceValue([.. Children(value)]),
        OnnxValueType.ONNX_TYPE_MAP when Children(value).ToArray() is [TensorValue keys, TensorValue values] => new MapValue(keys.Tensor, values.Tensor),
        _ => new OpaqueValue(value.OnnxType.ToString()),
    };

    private static OrtValue FromTensor(Tensor tensor)
    {
        if (tensor.DataType > DataType.BFloat16) throw new NotSupportedException($"ONNX Runtime's .NET interface cannot feed {tensor.DataType}.");
        var value = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, (TensorElementType)tensor.DataType, tensor.Dims.ToArray());
        if (tensor.ByteLength > 0) tensor.AsSpan<byte>().CopyTo(value.GetTensorMutableRawData());
        return value;
    }

    private static OrtValue FromStrings(Tensor tensor, IReadOnlyList<ReadOnlyMemory<byte>> strings)
    {
        var value = OrtValue.CreateTensorWithEmptyStrings(OrtAllocator.DefaultInstance, tensor.Dims.ToArray());
        for (int i = 0; i < strings.Count; i++) value.StringTensorSetElementAt(strings[i].Span, i);
        return value;
    }

    private static ModelValue FromNativeTensor(OrtValue value)
    {
        var info = value.GetTensorTypeAndShape();
        var type = (DataType)info.ElementDataType;
        if (type == DataType.String)
        {
            var strings = new ReadOnlyMemory<byte>[info.ElementCount];
            for (int i = 0; i < strings.Length; i++) strings[i] = value.GetStringElementAsSpan(i).ToArray();
            return new TensorValue(Tensor.FromStrings(info.Shape, strings));
        }

        if (type is DataType.Undefined or > DataType.BFloat16) return new OpaqueValue(type.ToString());
        return new TensorValue(Tensor.Create(type, info.Shape, value.GetTensorMutableRawData().ToArray()));
    }

    private static IEnumerable<ModelValue> Children(OrtValue value)
    {
        for (int i = 0, count = value.GetValueCount(); i < count; i++)
        {
            using var child = value.GetValue(i, OrtAllocator.DefaultInstance);
            yield return FromNative(child);
        }
    }
}
