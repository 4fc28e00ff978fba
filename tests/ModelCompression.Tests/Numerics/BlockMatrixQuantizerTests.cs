using ModelCompression.Numerics;
using Tensor = ModelCompression.Onnx.Tensors.Tensor;

namespace ModelCompression.Tests.Numerics;

/// <summary>Tiles against the two passes over the whole matrix that they stand for.</summary>
[TestClass]
public sealed class BlockMatrixQuantizerTests
{
    private const byte Flipped = 0x80;

    [TestMethod]
    [DataRow(256, 40, 128, 1f), DataRow(128, 1, 128, 1f), DataRow(96, 1024, 32, 1f), DataRow(640, 2100, 128, 1f)]
    [DataRow(256, 1030, 64, 1e-25f), DataRow(256, 1030, 64, 1e25f)]
    public void Tiles_GiveWhatTwoPassesGive(int k, int n, int block, float unit)
    {
        var matrix = Matrix(k, n, unit);
        var layout = new ChannelLayout(block, n, 1, k / block);
        var codes = CodeRange.Symmetric(8);
        var ranges = ChannelRanges.Of(matrix, layout);
        var maps = Enumerable.Range(0, layout.ScaleCount).Select(s => AffineScale.Covering(ranges.Min[s], ranges.Max[s], codes)).ToArray();
        byte[] inRows = new byte[k * n], one = new byte[k * n], two = new byte[k * n];
        var expectedNoise = AffineQuantizer.Quantize(matrix, layout, maps, codes, inRows);
        byte[] expected = [.. MatrixBytes.Transpose(inRows, k, n).Select(code => (byte)(code ^ Flipped))];

        var fresh = Tensor.Float([k, n], matrix.AsSpan<float>().ToArray());
        var (scales, noise, zeroCodes) = BlockMatrixQuantizer.TryQuantize(fresh, block, codes, Flipped, one, threads: 1)!.Value;
        var again = BlockMatrixQuantizer.TryQuantize(matrix, block, codes, Flipped, two, threads: 2)!.Value;

        CollectionAssert.AreEqual(maps.Select(m => m.Scale).ToArray(), scales);
        CollectionAssert.AreEqual(expected, one);
        CollectionAssert.AreEqual(expected, two);
        CollectionAssert.AreEqual(scales, again.Scales);
        Assert.AreEqual((noise, zeroCodes), (again.Noise, again.ZeroCodes));
        Assert.AreEqual(expected.LongCount(c => c == Flipped), zeroCodes);
        Assert.AreEqual(matrix.AsSpan<float>().ToArray().LongCount(w => w != 0), fresh.NonZeroCount);
        Assert.IsGreaterThan(0, noise.Noise);
        Assert.AreEqual(expectedNoise.Noise, noise.Noise, expectedNoise.Noise * 1e-6);
        Assert.AreEqual(expectedNoise.Signal, noise.Signal, expectedNoise.Signal * 1e-6);
    }

    [TestMethod]
    [DataRow(float.NaN, 0), DataRow(float.PositiveInfinity, (256 * 1100) - 1)]
    public void NotFinite_GivesNothing(float wrong, int at)
    {
        float[] elements = Matrix(256, 1100, 1).AsSpan<float>().ToArray();
        elements[at] = wrong;
        Assert.IsNull(BlockMatrixQuantizer.TryQuantize(Tensor.Float([256, 1100], elements), 128, CodeRange.Symmetric(8), Flipped, new byte[elements.Length]));
    }

    /// <summary>Columns of different sizes, one of them all zero, and single zeros.</summary>
    private static Tensor Matrix(int k, int n, float unit)
    {
        var random = new Random(k + n);
        return Tensor.Float([k, n], [.. Enumerable.Range(0, k * n).Select(i => n > 1 && i % n == n - 1 || i % 97 == 0 ? 0f : (float)((random.NextDouble() - 0.5) * unit * (1 + (i % n % 13))))]);
    }
}
