using System.Runtime.Intrinsics;
using ModelCompression.Numerics.NBits;
using ModelCompression.Passes.Quantization.NBits;

namespace ModelCompression.Tests.Numerics.NBits;

[TestClass]
public sealed class LaneScalesTests
{
    private const int Blocks = 24;

    [TestMethod]
    public void Multiples_AreThoseOfRowsStoredAlone()
    {
        var scales = Vectors(Blocks, 1, x => Math.CopySign(Math.Exp(x * 3), x));
        // A row of zeros, and a scale far below its row's step.
        for (int b = 0; b < Blocks; b++) scales[b] = scales[b].WithElement(5, GroupMap.AnyScale);
        scales[3] = scales[3].WithElement(7, -1e-6f);
        var grid = new WeightGrid(LaneTile.Lanes, Blocks * 32, false, 1, 32);
        var expected = StoredScales.Of([.. Enumerable.Range(0, LaneTile.Lanes).SelectMany(row => scales.Select(s => new GroupMap(s[row], 8)))], grid, GroupCodeKind.Symmetric);
        var steps = LaneScales.ToMultiples(scales, StoredScales.MaxMultiple);
        for (int row = 0; row < LaneTile.Lanes; row++)
        {
            Assert.AreEqual(expected.Steps[row], steps[row]);
            for (int b = 0; b < Blocks; b++) Assert.AreEqual(expected.Multiples[(row * Blocks) + b], scales[b][row]);
        }
    }

    /// <summary>Every change takes the block that leaves least of v·Σ e² + (Σ e·m)², as a search over all of them finds it.</summary>
    [TestMethod]
    public void KeptOutputs_AreThoseOfASearchOverAllBlocks()
    {
        const float variance = 0.02f;
        var multiples = Vectors(Blocks, 2, x => Math.Round(Math.CopySign(40 + Math.Abs(60 * x), x)));
        multiples[4] = Vector512.Create(127f);
        multiples[9] = Vector512.Create(-1f);
        var sums = Vectors(2 * Blocks, 3, x => x);
        for (int b = Blocks; b < sums.Length; b++) sums[b] = Vector512.Abs(sums[b]) + Vector512.Create(0.5f);
        Vector512<float> steps = Vectors(1, 4, x => 0.1 + (0.01 * x))[0], error = Vectors(1, 5, x => 2 * x)[0];
        Vector512<float>[] found = [.. multiples];
        var left = LaneScales.KeepOutput(found, steps, error, sums, variance, StoredScales.MaxMultiple);
        for (int row = 0; row < LaneTile.Lanes; row++)
        {
            double[] expected = [.. multiples.Select(m => (double)m[row])];
            double rest = error[row];
            for (int change = 0; change < 6; change++)
            {
                var best = (from b in Enumerable.Range(0, Blocks)
                            from direction in new[] { -1, 1 }
                            let multiple = expected[b] + direction
                            where Math.Abs(multiple) is > 0 and <= StoredScales.MaxMultiple
                            let after = rest - (direction * (double)steps[row] * sums[b][row])
                            orderby (after * after) + (variance * steps[row] * (double)steps[row] * sums[Blocks + b][row])
                            select (Block: b, Multiple: multiple, After: after, All: (after * after) + (variance * steps[row] * (double)steps[row] * sums[Blocks + b][row]))).First();
                if (best.All >= rest * rest) break;
                (expected[best.Block], rest) = (best.Multiple, best.After);
            }

            for (int b = 0; b < Blocks; b++) Assert.AreEqual(expected[b], found[b][row], $"row {row}, block {b}");
            Assert.AreEqual(rest, left[row], 1e-5);
            Assert.IsLessThan(Math.Abs(error[row]), Math.Abs(left[row]));
        }
    }

    [TestMethod]
    public void Shift_FollowsTheScales()
    {
        Vector512<float>[] found = Vectors(Blocks, 6, x => x), multiples = Vectors(Blocks, 7, x => Math.Round(100 * x)), reaches = Vectors(Blocks, 8, x => x);
        Vector512<float> unit = Vector512.Create(0.01f), shift = Vectors(1, 9, x => x)[0];
        var left = LaneScales.ShiftWith(shift, reaches, found, multiples, unit);
        for (int row = 0; row < LaneTile.Lanes; row++)
        {
            double expected = shift[row] - Enumerable.Range(0, Blocks).Sum(b => ((multiples[b][row] * 0.01) - found[b][row]) * reaches[b][row]);
            Assert.AreEqual(expected, left[row], 1e-5);
        }
    }

    private static Vector512<float>[] Vectors(int count, int seed, Func<double, double> of)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => Vector512.Create<float>([.. Enumerable.Range(0, LaneTile.Lanes).Select(_ => (float)of((2 * random.NextDouble()) - 1))]))];
    }
}
