using ModelCompression.Numerics.Products;

namespace ModelCompression.Tests.Numerics.Products;

[TestClass]
public sealed class RowProductsTests
{
    public static IEnumerable<object[]> Sizes =>
    [
        [1, 1, 1], [3, 6, 32], [32, 7, 33], [5, 13, 31], [64, 12, 64], [33, 100, 47],
    ];

    [TestMethod]
    [DynamicData(nameof(Sizes))]
    public void Add_EqualsSums(int rows, int left, int right)
    {
        var random = new Random(rows);
        foreach (bool hasPanels in new[] { false, true })
        {
            var (a, b) = (Values(random, rows * left), Values(random, rows * right));
            var (blockA, blockB) = (Block(a, left, RowProducts.TileRows, hasPanels), Block(b, right, RowProducts.TileColumns, hasPanels));
            float[] before = Values(random, left * right), wide = [.. before], narrow = [.. before];
            RowProducts.AddWith<SixteenLanes>(blockA, blockB, wide);
            RowProducts.AddWith<EightLanes>(blockA, blockB, narrow);
            CollectionAssert.AreEqual(wide, narrow, "The width of vectors must not matter.");
            AssertNear([.. Product(a, b, rows, left, right).Zip(before, (p, s) => p + s)], wide, rows);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Sizes))]
    public void AddMoments_EqualTwoPasses(int rows, int left, int right)
    {
        var random = new Random(rows);
        const int batches = 11;
        var factors = Enumerable.Range(0, batches).Select(_ => (A: Values(random, rows * left), B: Values(random, rows * right))).ToArray();
        var blocks = factors.Select(f => (Block(f.A, left, RowProducts.TileRows, true), Block(f.B, right, RowProducts.TileColumns, true))).ToArray();
        var (means, squares) = (new float[left * right], new float[left * right]);
        var (narrowMeans, narrowSquares) = (new float[left * right], new float[left * right]);
        var (wide, narrow) = (MomentTiles.Of<SixteenLanes>(left, right), MomentTiles.Of<EightLanes>(left, right));
        foreach (var (first, behind) in new[] { (0, 4), (4, 5), (5, batches) })
        {
            Assert.IsTrue(wide.Add(blocks[first..behind]));
            Assert.IsTrue(narrow.Add(blocks[first..behind]));
        }

        wide.CopyTo(means, squares);
        narrow.CopyTo(narrowMeans, narrowSquares);
        CollectionAssert.AreEqual(means, narrowMeans);
        CollectionAssert.AreEqual(squares, narrowSquares);
        double[][] products = [.. factors.Select(f => Product(f.A, f.B, rows, left, right))];
        double[] mean = [.. means.Select((_, i) => products.Average(p => p[i]))];
        AssertNear(mean, means, rows);
        AssertNear([.. mean.Select((m, i) => products.Sum(p => (p[i] - m) * (p[i] - m)))], squares, rows * batches);
    }

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.PositiveInfinity)]
    public void AddMoments_SayWhatIsNotFinite(float value)
    {
        foreach (int column in new[] { 0, 34 })
        {
            float[] b = new float[2 * 35];
            b[35 + column] = value;
            var factors = (Block([1, 2, 3, 4], 2, RowProducts.TileRows, true), Block(b, 35, RowProducts.TileColumns, true));
            Assert.IsFalse(MomentTiles.Of<SixteenLanes>(2, 35).Add([factors]));
            Assert.IsFalse(MomentTiles.Of<EightLanes>(2, 35).Add([factors]));
        }
    }

    [TestMethod]
    public void Append_ScalesAndKeepsWhatIsThere()
    {
        var block = RowBlock.OfPanels(9, RowProducts.TileRows);
        float[] rows = [.. Enumerable.Range(0, 45).Select(i => (float)i)];
        block.Append(rows.AsSpan(0, 9), 2);
        block.Append(rows.AsSpan(9), 2);
        Assert.AreEqual(5, block.Count);
        var ones = Block([1, 1, 1, 1, 1], 1, RowProducts.TileColumns, true);
        var sums = new float[9];
        RowProducts.Add(block, ones, sums);
        for (int c = 0; c < 9; c++) Assert.AreEqual(2 * ((5 * c) + 90), sums[c]);
        block.Clear();
        Assert.AreEqual(0, block.Count);
    }

    private static RowBlock Block(float[] rows, int columns, int tileWidth, bool hasPanels)
    {
        var block = hasPanels ? RowBlock.OfPanels(columns, tileWidth) : RowBlock.OfRows(columns, tileWidth);
        block.Append(rows);
        return block;
    }

    private static float[] Values(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2) - 1)];

    private static double[] Product(float[] a, float[] b, int rows, int left, int right)
    {
        var product = new double[left * right];
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < left; i++)
                for (int j = 0; j < right; j++) product[(i * right) + j] += (double)a[(r * left) + i] * b[(r * right) + j];
        return product;
    }

    /// <summary>A sum of n products of numbers up to 1 is rounded n times, each by at most half a unit of the largest partial sum.</summary>
    private static void AssertNear(double[] expected, float[] actual, int count)
    {
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], 6e-8 * (count + 8) * (Math.Abs(expected[i]) + Math.Sqrt(count) + 1));
    }
}
