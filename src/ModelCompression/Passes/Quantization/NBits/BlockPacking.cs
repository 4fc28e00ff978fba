using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>Codes as ONNX Runtime's n-bit operators keep them: rows of blocks, the first code in the lowest bits of a byte.</summary>
internal static class BlockPacking
{
    /// <summary>Packs rows of codes; what is missing in the last block counts as <paramref name="filler"/>.</summary>
    /// <param name="codes">Row after row.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="length">Codes of a row.</param>
    /// <param name="paddedLength">Codes of a row in the result.</param>
    /// <param name="bits">2, 4 or 8.</param>
    /// <param name="filler">Code.</param>
    public static byte[] Pack(byte[] codes, int rows, int length, int paddedLength, int bits, byte filler)
    {
        int perByte = 8 / bits, rowBytes = (paddedLength + perByte - 1) / perByte;
        byte[] packed = new byte[rows * rowBytes];
        Parallel.For(0, rows, row =>
        {
            byte[] padded = new byte[rowBytes * perByte];
            padded.AsSpan(0, paddedLength).Fill(filler);
            codes.AsSpan(row * length, length).CopyTo(padded);
            var target = packed.AsSpan(row * rowBytes, rowBytes);
            if (bits == 4)
            {
                BitPlanes.PackPairs(padded, 0, target);
                return;
            }

            for (int i = 0; i < target.Length; i++)
            {
                int value = 0;
                for (int j = perByte - 1; j >= 0; j--) value = (value << bits) | padded[(i * perByte) + j];
                target[i] = (byte)value;
            }
        });
        return packed;
    }

    /// <summary>Zero points of rows, packed; null when all are the middle code, which is what the operators assume.</summary>
    public static byte[]? ZeroPoints(NBitPlan plan, NBitWeight weight) => weight.ZeroPoints.Length == 0
        ? null
        : Pack(Array.ConvertAll(weight.ZeroPoints, z => (byte)z), plan.Grid.Rows, plan.Grid.Blocks, plan.Grid.Blocks, plan.Codes.Bits, 0);
}
