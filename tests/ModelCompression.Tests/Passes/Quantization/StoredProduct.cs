using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>The matrix that a <c>MatMulNBits</c> of 8 bits multiplies by, from its stored constants as the operator's specification says, without the runtime.</summary>
internal static class StoredProduct
{
    /// <summary>[N, K], row by row.</summary>
    /// <param name="node">Codes and scales are constants, codes behind an <c>Identity</c>, scales and zero points behind an <c>Expand</c> over blocks.</param>
    public static float[] Unpack(Node node)
    {
        int rows = (int)node.GetInt("N", 0), length = (int)node.GetInt("K", 0), block = (int)node.GetInt("block_size", 0), blocks = (length + block - 1) / block;
        byte[] codes = Constant(node.Input(1)!).AsSpan<byte>().ToArray();
        float[] scales = Constant(node.Input(2)!).AsSpan<float>().ToArray();
        byte[] zeros = node.Input(3) is { } zero ? Constant(zero).AsSpan<byte>().ToArray() : [128];
        var result = new float[rows * length];
        for (int n = 0; n < rows; n++)
            for (int k = 0; k < length; k++)
                result[(n * length) + k] = (codes[(n * blocks * block) + k] - At(zeros, n, k / block)) * At(scales, n, k / block);
        return result;

        // One for the matrix, one per row, or one per block.
        T At<T>(T[] values, int n, int b) => values.Length == 1 ? values[0] : values.Length == rows ? values[n] : values[(n * blocks) + b];
    }

    /// <summary>Rows of [K, N] as columns.</summary>
    public static float[] Transpose(Tensor matrix)
    {
        float[] elements = matrix.AsSpan<float>().ToArray();
        int rows = (int)matrix.Dims[0], columns = (int)matrix.Dims[1];
        return [.. Enumerable.Range(0, elements.Length).Select(i => elements[(i % rows * columns) + (i / rows)])];
    }

    private static Tensor Constant(Value value) => value.TryGetConstant(out var tensor) ? tensor : Constant(value.Producer!.Input(0)!);
}
