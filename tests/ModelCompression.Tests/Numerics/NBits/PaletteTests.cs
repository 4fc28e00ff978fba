using ModelCompression.Numerics.NBits;

namespace ModelCompression.Tests.Numerics.NBits;

[TestClass]
public sealed class PaletteTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    [DataRow(4)]
    public void Means_AreThoseOfTheBestSplit(int k)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            var random = new Random(seed);
            // Numbers at the centres of bins of their own, so that binning changes nothing.
            double[] points = [.. Enumerable.Range(0, 12).Select(_ => Math.Pow(random.NextDouble(), 2)).Order()];
            var histogram = new WeightedHistogram(0, 1);
            foreach (double point in points) histogram.Add([(float)point], 1, false);
            double[] means = PaletteClustering.Means(histogram, k);
            double found = points.Sum(p => means.Min(m => Math.Pow(p - m, 2)));
            Assert.AreEqual(Best(points, k), found, 1e-6);
            CollectionAssert.AreEqual(means.Order().ToArray(), means);
        }
    }

    [TestMethod]
    public void Nearest_EqualsTheScalarOracle()
    {
        var random = new Random(4);
        for (int count = 1; count <= 256; count += count < 20 ? 1 : 59)
        {
            float[] values = [.. Enumerable.Range(0, count).Select(_ => (float)Math.Pow((random.NextDouble() * 2) - 1, 3)).Distinct().Order()];
            var palette = new PaletteCodes(values);
            for (int i = 0; i < 2000; i++)
            {
                float x = (float)((random.NextDouble() * 3) - 1.5);
                Assert.AreEqual(values.Min(v => Math.Abs(v - x)), Math.Abs(values[palette.Nearest(x)] - x), 1e-7);
            }
        }
    }

    [TestMethod]
    public void HalfQuadratic_LowersTheSumOfMagnitudes()
    {
        var random = new Random(5);
        int improved = 0;
        for (int n = 0; n < 200; n++)
        {
            float[] x = [.. Enumerable.Range(0, 1 + random.Next(90)).Select(_ => (float)(Enumerable.Range(0, 4).Sum(_ => random.NextDouble()) - 1.8))];
            var codes = new GroupCodes(2 + (n % 5), n % 2 == 0 ? GroupCodeKind.Symmetric : GroupCodeKind.Asymmetric, n % 2 == 0 ? 1 : GroupCodes.FineZeroSteps(2 + (n % 5)));
            var before = MapSearch.Find(x, codes);
            var after = HalfQuadratic.Improve(x, before, codes);
            double one = Magnitude(x, before, codes), two = Magnitude(x, after, codes);
            Assert.IsLessThanOrEqualTo(one * 1.00001, two);
            Assert.IsLessThanOrEqualTo(FitSums.Of(x, before, codes.Highest).EE * 1.00001, FitSums.Of(x, after, codes.Highest).EE);
            if (two < one * 0.999) improved++;
        }

        Assert.IsGreaterThan(10, improved);
    }

    private static double Magnitude(float[] x, GroupMap map, GroupCodes codes)
    {
        byte[] rounded = new byte[x.Length];
        GroupRounding.ToNearest(x, map, codes.Highest, rounded);
        return Error(x, map, rounded).Sum(Math.Abs);
    }

    private static IEnumerable<double> Error(float[] x, GroupMap map, byte[] codes) => x.Select((v, i) => (double)v - ((codes[i] - map.Zero) * map.Scale));

    private static double Best(double[] points, int k)
    {
        double best = double.PositiveInfinity;
        Split(0, k, 0);
        return best;

        void Split(int first, int parts, double cost)
        {
            if (parts == 1 || first == points.Length)
            {
                best = Math.Min(best, cost + Spread(first, points.Length));
                return;
            }

            for (int end = first + 1; end <= points.Length; end++) Split(end, parts - 1, cost + Spread(first, end));
        }

        double Spread(int first, int end) => end <= first ? 0 : points[first..end].Sum(p => Math.Pow(p - points[first..end].Average(), 2));
    }
}
