using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace ModelCompression.Tests.Passes.Simplification;

/// <summary>Reads any output of ONNX Runtime into something comparable.</summary>
internal static class OrtValueText
{
    public static OrtOutput Read(string name, OrtValue value)
    {
        if (!value.IsTensor) return new(name, value.OnnxType.ToString(), [], Describe(name, value));
        var info = value.GetTensorTypeAndShape();
        string type = $"{info.ElementDataType}[{string.Join(',', info.Shape.Select(d => d.ToString(CultureInfo.InvariantCulture)))}]";
        if (info.ElementDataType == TensorElementType.String) return new(name, type, [], string.Join('\n', value.GetStringTensorAsArray()));
        return new(name, type, Numbers(info.ElementDataType, value.GetTensorMutableRawData()), "");
    }

    private static string Describe(string name, OrtValue value)
    {
        if (value.OnnxType is not (OnnxValueType.ONNX_TYPE_SEQUENCE or OnnxValueType.ONNX_TYPE_MAP)) return value.OnnxType.ToString();
        var parts = new List<string>();
        for (int i = 0; i < value.GetValueCount(); i++)
        {
            using var item = value.GetValue(i, OrtAllocator.DefaultInstance);
            var read = Read(name, item);
            parts.Add($"{read.Type}:{string.Join(' ', read.Values.Select(v => v.ToString("R", CultureInfo.InvariantCulture)))}{read.Text}");
        }

        return string.Join('\n', parts);
    }

    private static double[] Numbers(TensorElementType type, ReadOnlySpan<byte> bytes) => type switch
    {
        TensorElementType.Float => Convert<float>(bytes, v => v),
        TensorElementType.Double => Convert<double>(bytes, v => v),
        TensorElementType.Float16 => Convert<Half>(bytes, v => (double)v),
        TensorElementType.BFloat16 => Convert<ushort>(bytes, v => BitConverter.UInt32BitsToSingle((uint)v << 16)),
        TensorElementType.Int64 => Convert<long>(bytes, v => v),
        TensorElementType.UInt64 => Convert<ulong>(bytes, v => v),
        TensorElementType.Int32 => Convert<int>(bytes, v => v),
        TensorElementType.UInt32 => Convert<uint>(bytes, v => v),
        TensorElementType.Int16 => Convert<short>(bytes, v => v),
        TensorElementType.UInt16 => Convert<ushort>(bytes, v => v),
        TensorElementType.Int8 => Convert<sbyte>(bytes, v => v),
        _ => Convert<byte>(bytes, v => v),
    };

    private static double[] Convert<T>(ReadOnlySpan<byte> bytes, Func<T, double> convert) where T : unmanaged
    {
        var elements = MemoryMarshal.Cast<byte, T>(bytes);
        var result = new double[elements.Length];
        for (int i = 0; i < result.Length; i++) result[i] = convert(elements[i]);
        return result;
    }
}
