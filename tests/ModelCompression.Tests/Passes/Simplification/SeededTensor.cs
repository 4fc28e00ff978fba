using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace ModelCompression.Tests.Passes.Simplification;

/// <summary>Pseudo-random tensors that models accept: reals in [−1, 1], small non-negative integers, short texts.</summary>
internal static class SeededTensor
{
    public static OrtValue Make(NodeMetadata input, Random random, long freeSize)
    {
        long[] dims = new long[input.Dimensions.Length];
        for (int i = 0; i < dims.Length; i++)
        {
            string symbol = input.SymbolicDimensions[i];
            bool isBatch = symbol.Contains("batch", StringComparison.OrdinalIgnoreCase) || (i == 0 && dims.Length > 1);
            dims[i] = input.Dimensions[i] >= 0 ? input.Dimensions[i] : isBatch ? 1 : freeSize;
        }

        int count = (int)dims.Aggregate(1L, (a, b) => a * b);
        double Real() => (random.NextDouble() * 2) - 1;
        return input.ElementDataType switch
        {
            TensorElementType.Float => Tensor(_ => (float)Real()),
            TensorElementType.Double => Tensor(_ => Real()),
            TensorElementType.Float16 => Tensor(_ => (Float16)(float)Real()),
            TensorElementType.BFloat16 => Tensor(_ => (BFloat16)(float)Real()),
            TensorElementType.Int64 => Tensor(_ => (long)random.Next(4)),
            TensorElementType.Int32 => Tensor(_ => random.Next(4)),
            TensorElementType.Int16 => Tensor(_ => (short)random.Next(4)),
            TensorElementType.Int8 => Tensor(_ => (sbyte)random.Next(4)),
            TensorElementType.UInt64 => Tensor(_ => (ulong)random.Next(4)),
            TensorElementType.UInt32 => Tensor(_ => (uint)random.Next(4)),
            TensorElementType.UInt16 => Tensor(_ => (ushort)random.Next(4)),
            TensorElementType.UInt8 => Tensor(_ => (byte)random.Next(4)),
            TensorElementType.Bool => Tensor(_ => random.Next(2) == 1),
            TensorElementType.String => Texts(dims, count, random),
            _ => throw new NotSupportedException($"Inputs of type {input.ElementDataType} are not made."),
        };

        OrtValue Tensor<T>(Func<int, T> element) where T : unmanaged =>
            OrtValue.CreateTensorValueFromMemory(Enumerable.Range(0, count).Select(element).ToArray(), dims);
    }

    private static OrtValue Texts(long[] dims, int count, Random random)
    {
        var value = OrtValue.CreateTensorWithEmptyStrings(OrtAllocator.DefaultInstance, dims);
        for (int i = 0; i < count; i++) value.StringTensorSetElementAt($"t{random.Next(4)}", i);
        return value;
    }
}
