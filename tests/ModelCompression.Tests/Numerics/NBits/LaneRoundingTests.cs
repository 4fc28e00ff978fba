using System.Runtime.Intrinsics;
using ModelCompression.Numerics.NBits;

namespace ModelCompression.Tests.Numerics.NBits;

/// <summary>Sixteen rows side by side against the kernels that take one row after the other.</summary>
[TestClass]
public sealed class LaneRoundingTests
{
    private const int Middle = 8;
    private const int Block = 32;

    [TestMethod]
    [DataRow(false, 37, 9), DataRow(true, 37, 9), DataRow(true, 64, 48), DataRow(false, 16, 1), DataRow(true, 3, 2)]
    public void Tile_HasEveryRowInItsLane(bool isTransposed, int rows, int length)
    {
        var grid = new WeightGrid(rows, length, isTransposed, 1, length);
        float[] weight = [.. Enumerable.Range(0, rows * length).Select(i => i + 1f)];
        int groups = (rows + LaneTile.Lanes - 1) / LaneTile.Lanes;
        var columns = new Vector512<float>[groups * length];
        columns.AsSpan().Fill(Vector512.Create(float.NaN));
        LaneTile.Load(weight, grid, 0, rows, columns);
        for (int row = 0; row < groups * LaneTile.Lanes; row++)
            for (int k = 0; k < length; k++)
                Assert.AreEqual(row < rows ? Element(weight, grid, row, k) : 0f, columns[(row / LaneTile.Lanes * length) + k][row % LaneTile.Lanes], $"row {row}, element {k}");
    }

    [TestMethod]
    [DataRow(false, false), DataRow(true, false), DataRow(true, true)]
    public void Codes_AreStoredWhereTheTensorHasThem(bool isTransposed, bool inRows)
    {
        var grid = new WeightGrid(21, 10, isTransposed, 1, 10);
        byte[] codes = [.. Enumerable.Range(0, 10 * LaneTile.Lanes).Select(i => (byte)(i * 7 % 16))], result = new byte[210], pairs = new byte[105];
        LaneTile.StoreCodes(codes, grid, 16, 5, inRows, result);
        LaneTile.StorePairs([.. codes], grid, 16, 5, pairs);
        for (int row = 16; row < 21; row++)
        {
            for (int k = 0; k < 10; k++)
            {
                byte code = codes[(k * LaneTile.Lanes) + row - 16];
                Assert.AreEqual(code, result[isTransposed && !inRows ? (k * 21) + row : (row * 10) + k]);
                Assert.AreEqual(code, (pairs[(row * 5) + (k / 2)] >> (k % 2 * 4)) & 15);
            }
        }
    }

    [TestMethod]
    [DataRow(320, false), DataRow(45, false), DataRow(3, false), DataRow(320, true), DataRow(45, true)]
    public void RoundingToNearest_EqualsThatOfGroups(int length, bool isAsymmetric)
    {
        var (rows, columns, grid) = Rows(length, 1);
        var scales = Scales(columns, length);
        var zeros = Zeros(scales.Length);
        for (int b = 0; b < zeros.Length && isAsymmetric; b++) (scales[b], zeros[b]) = (Vector512.Abs(scales[b]), Vector512.Create<float>([.. Enumerable.Range(0, LaneTile.Lanes).Select(i => (float)((i + (5 * b)) % 16))]));
        byte[] codes = new byte[length * LaneTile.Lanes];
        double[] noise = new double[LaneTile.Lanes];
        long zeroCount = 0;
        LaneRounding.ToNearest(columns, Block, scales, scales, zeros, 15, codes, noise);
        for (int row = 0; row < LaneTile.Lanes; row++)
        {
            byte[] expected = new byte[length], found = new byte[length];
            double loss = 0;
            for (int b = 0; b < grid.Blocks; b++)
                loss += GroupRounding.ToNearest(grid.BlockOf(rows.AsSpan(row * length, length), b), new(scales[b][row], zeros[b][row]), 15, expected.AsSpan(b * Block));
            LaneTile.CopyLane(codes, row, found);
            zeroCount += expected.Where((code, k) => code == zeros[k / Block][row]).Count();
            CollectionAssert.AreEqual(expected, found);
            Assert.AreEqual(loss, noise[row], 1e-5 * loss);
        }

        Assert.AreEqual(zeroCount, LaneRounding.CountZeros(codes, Block, zeros));
    }

    [TestMethod]
    [DataRow(255, 512), DataRow(256, 768), DataRow(512, 1500), DataRow(64, 64 * 300)]
    public void ZeroCodesOfLongBlocks_AreCounted(int block, int length)
    {
        byte[] codes = new byte[length * LaneTile.Lanes];
        codes.AsSpan().Fill(Middle);
        codes[5] = 0;
        Assert.AreEqual(codes.Length - 1, LaneRounding.CountZeros(codes, block, Zeros((length + block - 1) / block)));
    }

    /// <summary>Codes stay, so that the error falls to v / (v + Σ R²/C) of what it was, and Σ e² grows by the squares of the changes.</summary>
    [TestMethod]
    public void FittedScales_TakeTheShiftAway()
    {
        const int length = 768;
        var (_, columns, grid) = Rows(length, 2);
        var input = new MeanInput(Rows(length, 3).Rows[..length], 0.05f);
        var scales = Scales(columns, length);
        Vector512<float>[] fitted = new Vector512<float>[scales.Length], sums = new Vector512<float>[2 * grid.Blocks];
        var shift = LaneRounding.Shift(columns, Block, input, Zeros(scales.Length), 15, scales, sums);
        LaneRounding.Fit(shift, sums, input.Variance, scales, fitted);
        int exact = 0;
        for (int row = 0; row < LaneTile.Lanes; row++)
        {
            double left = shift[row], reach = 0;
            for (int b = 0; b < grid.Blocks; b++)
            {
                double r = sums[b][row], c = sums[grid.Blocks + b][row];
                reach += r * r / c;
                left -= (fitted[b][row] - (double)scales[b][row]) * r;
            }

            // A scale changes by a tenth at most.
            bool isBounded = Enumerable.Range(0, grid.Blocks).Any(b => Math.Abs((fitted[b][row] / scales[b][row]) - 1) > 0.0999);
            if (isBounded) Assert.IsLessThanOrEqualTo(Math.Abs(shift[row]), Math.Abs(left));
            else Assert.AreEqual(shift[row] * input.Variance / (input.Variance + reach), left, 1e-3 * Math.Abs(shift[row]));
            exact += isBounded ? 0 : 1;
        }

        Assert.IsGreaterThan(LaneTile.Lanes / 2, exact);
    }

    [TestMethod]
    public void ChosenFactors_LowerTheExpectedError()
    {
        const int length = 9;
        double before = 0, after = 0;
        for (int seed = 0; seed < 20; seed++)
        {
            var (rows, columns, grid) = Rows(length, 20 + seed);
            var input = new MeanInput([.. Enumerable.Repeat(0.3f, length)], 0.02f);
            Vector512<float>[] scales = Scales(columns, length), chosen = [.. scales];
            LaneRounding.Choose(columns, Block, input, Zeros(1), 15, chosen);
            for (int row = 0; row < LaneTile.Lanes; row++)
            {
                double one = Expected(rows.AsSpan(row * length, length), input, scales[0][row]), other = Expected(rows.AsSpan(row * length, length), input, chosen[0][row]);
                Assert.IsLessThanOrEqualTo(one * 1.001, other);
                (before, after) = (before + one, after + other);
            }
        }

        Assert.IsLessThan(0.5 * before, after);
    }

    private static double Expected(ReadOnlySpan<float> row, MeanInput input, float scale)
    {
        double shift = 0, noise = 0;
        for (int k = 0; k < row.Length; k++)
        {
            double error = row[k] - (Math.Clamp(MathF.Round(row[k] * (1 / scale)), -Middle, Middle - 1) * scale);
            (shift, noise) = (shift + (error * input.Means[k]), noise + (error * error));
        }

        return (shift * shift) + (input.Variance * noise);
    }

    [TestMethod]
    public void Shift_IsWhatRoundingDoesToTheOutput_AndSumsAreItsDerivatives()
    {
        const int length = 100;
        var (rows, columns, grid) = Rows(length, 4);
        var input = new MeanInput(Rows(length, 5).Rows[..length], 0.05f);
        var scales = Scales(columns, length);
        var sums = new Vector512<float>[2 * grid.Blocks];
        var shift = LaneRounding.Shift(columns, Block, input, Zeros(scales.Length), 15, scales, sums);
        for (int row = 0; row < LaneTile.Lanes; row++)
        {
            double expected = 0, size = 0;
            for (int b = 0; b < grid.Blocks; b++)
            {
                int start = b * Block, count = Math.Min(Block, length - start);
                var group = MeanSums.Of(rows.AsSpan((row * length) + start, count), input.Means.AsSpan(start, count), new(scales[b][row], Middle), 15);
                (expected, size) = (expected + group.Error, size + Math.Abs(group.Reach));
                Assert.AreEqual(group.Reach, sums[b][row], 1e-4 * (1 + Math.Abs(group.Reach)));
                Assert.AreEqual(group.Cost, sums[grid.Blocks + b][row], 1e-4 * group.Cost);
            }

            Assert.AreEqual(expected, shift[row], 1e-5 * (1 + size));
        }
    }

    [TestMethod]
    public void Measure_CountsZerosAndEnergy()
    {
        var (rows, columns, _) = Rows(75, 6);
        var (energy, zeros) = LaneRounding.Measure(columns);
        double expected = rows.Sum(x => (double)x * x);
        Assert.AreEqual(expected, energy, 1e-12 * expected);
        Assert.AreEqual(rows.Count(x => x == 0), zeros);
        columns[3] = columns[3].WithElement(5, float.NaN);
        Assert.IsFalse(double.IsFinite(LaneRounding.Measure(columns).Energy));
    }

    private static Vector512<float>[] Zeros(int blocks) => [.. Enumerable.Repeat(Vector512.Create((float)Middle), blocks)];

    private static float Element(float[] weight, WeightGrid grid, int row, int k) => weight[grid.IsTransposed ? (k * grid.Rows) + row : (row * grid.Length) + k];

    private static Vector512<float>[] Scales(Vector512<float>[] columns, int length) =>
        [.. Enumerable.Range(0, (length + Block - 1) / Block).Select(b => LaneSearch.Find(columns.AsSpan(b * Block, Math.Min(Block, length - (b * Block))), new(4, GroupCodeKind.Symmetric)))];

    private static (float[] Rows, Vector512<float>[] Columns, WeightGrid Grid) Rows(int length, int seed)
    {
        var random = new Random(seed);
        float[] rows = [.. Enumerable.Range(0, LaneTile.Lanes * length).Select(_ => random.Next(15) == 0 ? 0f : (float)(Enumerable.Range(0, 6).Sum(_ => random.NextDouble() - 0.45) * (random.Next(40) == 0 ? 4 : 1)))];
        var grid = new WeightGrid(LaneTile.Lanes, length, false, 1, Math.Min(Block, length));
        var columns = new Vector512<float>[length];
        LaneTile.Load(rows, grid, 0, LaneTile.Lanes, columns);
        return (rows, columns, grid);
    }
}
