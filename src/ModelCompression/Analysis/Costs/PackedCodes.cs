using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Costs;

/// <summary>Weights that com.microsoft MatMulNBits and GatherBlockQuantized take as rows of 2-, 4- or 8-bit codes, the first in the lowest bits of a byte, with zero points per block.</summary>
internal static class PackedCodes
{
    /// <summary>Codes that are not their block's zero point; null when the value is no such weight or cannot be read.</summary>
    /// <param name="codes">What a node takes as codes.</param>
    /// <param name="read">The tensor that a session sees for a value, or null.</param>
    public static long? CountNonZeros(Value codes, Func<Value, Tensor?> read)
    {
        foreach (var use in codes.Uses)
        {
            bool isProduct = use.Index == 1 && use.Node.OpType == "MatMulNBits", isTable = use.Index == 0 && use.Node.OpType == "GatherBlockQuantized";
            if (use.Node.Domain == QuantizedOperators.Microsoft && (isProduct || isTable)) return Count(use.Node, codes, read);
        }

        return null;
    }

    private static long? Count(Node node, Value value, Func<Value, Tensor?> read)
    {
        int bits = (int)node.GetInt("bits", 4), block = (int)node.GetInt("block_size", node.OpType == "MatMulNBits" ? 0 : 128);
        if (bits is not (2 or 4 or 8) || block <= 0 || read(value) is not { DataType: DataType.UInt8, Rank: >= 2 } codes || codes.Dims[0] == 0) return null;
        int rows = (int)codes.Dims[0], rowBytes = (int)(codes.ElementCount / rows);
        long length = node.OpType == "MatMulNBits" ? node.GetInt("K", 0) : rowBytes * (8L / bits);
        var zeros = node.Input(3) is { } input ? read(input) : null;
        if (length > rowBytes * (8L / bits) || (node.Input(3) is not null && zeros?.DataType != DataType.UInt8)) return null;
        int zeroBytes = zeros is null ? 0 : (int)(zeros.ElementCount / rows);
        if (zeros is not null && zeroBytes * (8L / bits) < (length + block - 1) / block) return null;
        long total = 0;
        Parallel.For(0, rows, () => 0L, (row, _, sum) =>
        {
            var own = codes.AsSpan<byte>().Slice(row * rowBytes, rowBytes);
            var points = zeros is null ? default : zeros.AsSpan<byte>().Slice(row * zeroBytes, zeroBytes);
            for (int b = 0; b * (long)block < length; b++)
                sum += CountIn(own, b * block, (int)Math.Min(block, length - (b * (long)block)), bits, zeros is null ? 1 << (bits - 1) : CodeAt(points, b, bits));
            return sum;
        }, sum => Interlocked.Add(ref total, sum));
        return total;
    }

    private static int CountIn(ReadOnlySpan<byte> row, int start, int count, int bits, int zero)
    {
        if (bits == 8) return count - row.Slice(start, count).Count((byte)zero);
        int nonZeros = 0;
        for (int i = start; i < start + count; i++) nonZeros += CodeAt(row, i, bits) == zero ? 0 : 1;
        return nonZeros;
    }

    private static int CodeAt(ReadOnlySpan<byte> codes, int at, int bits)
    {
        int perByte = 8 / bits;
        return (codes[at / perByte] >> (at % perByte * bits)) & ((1 << bits) - 1);
    }
}
