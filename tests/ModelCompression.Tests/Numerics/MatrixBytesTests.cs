using ModelCompression.Numerics;

namespace ModelCompression.Tests.Numerics;

[TestClass]
public sealed class MatrixBytesTests
{
    [TestMethod]
    public void Transpose_MovesEveryElement()
    {
        var random = new Random(3);
        foreach (var (stack, rows, columns) in new[] { (1, 1, 1), (1, 1, 70), (3, 64, 64), (2, 65, 130), (1, 0, 5), (4, 7, 1) }.Concat(Enumerable.Range(0, 20).Select(_ => (random.Next(1, 4), random.Next(1, 150), random.Next(1, 150)))))
        {
            byte[] source = new byte[stack * rows * columns];
            random.NextBytes(source);
            byte[] actual = MatrixBytes.Transpose(source, rows, columns);
            for (int i = 0; i < source.Length; i++)
            {
                var (s, r, c) = (i / (rows * columns), i / columns % rows, i % columns);
                Assert.AreEqual(source[i], actual[(s * rows * columns) + (c * rows) + r], $"{stack} × {rows} × {columns}, element {i}");
            }
        }
    }

    [TestMethod]
    [DataRow(64, 64, 64), DataRow(9, 33, 16), DataRow(8, 32, 8), DataRow(71, 130, 96), DataRow(1, 5, 3)]
    public void Transpose_IntoAPart_LeavesTheRestAlone(int rows, int columns, int pitch)
    {
        var random = new Random(rows);
        byte[] source = new byte[rows * columns], result = new byte[columns * Math.Max(pitch, rows)];
        pitch = Math.Max(pitch, rows);
        random.NextBytes(source);
        random.NextBytes(result);
        byte[] expected = [.. result];
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++) expected[(c * pitch) + r] = (byte)(source[(r * columns) + c] ^ 0x80);
        MatrixBytes.Transpose(source, result, rows, columns, pitch, 0x80);
        CollectionAssert.AreEqual(expected, result);
    }

    [TestMethod]
    public void MakeUnsigned_Adds128()
    {
        foreach (int length in new[] { 0, 1, 31, 32, 33, 100, 256 })
        {
            byte[] codes = [.. Enumerable.Range(0, length).Select(i => (byte)(i * 37))];
            byte[] expected = Array.ConvertAll(codes, c => (byte)((sbyte)c + 128));
            MatrixBytes.MakeUnsigned(codes);
            CollectionAssert.AreEqual(expected, codes);
        }
    }
}
