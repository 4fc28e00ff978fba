using ModelCompression.Numerics.NBits;

namespace ModelCompression.Tests.Numerics.NBits;

[TestClass]
public sealed class MeanPreservingPaletteTests
{
    [TestMethod]
    [DataRow(1, 40, 8, false)]
    [DataRow(2, 64, 64, false)]
    [DataRow(3, 100, 32, false)]
    [DataRow(1, 40, 8, true)]
    [DataRow(3, 100, 32, true)]
    public void Apply_LowersTheErrorOfTheOutputForTheMeanInput(int seed, int length, int blockLength, bool isMadeUp)
    {
        var random = new Random(seed);
        float[] values = [-0.9f, -0.5f, -0.2f, 0f, 0.1f, 0.35f, 0.6f, 1f];
        float[] row = [.. Enumerable.Range(0, length).Select(i => i % 7 == 3 ? 0 : (random.NextSingle() * 2) - 1)];
        float[] scales = [.. Enumerable.Range(0, (length + blockLength - 1) / blockLength).Select(_ => 0.5f + random.NextSingle())];
        var input = new MeanInput([.. row.Select(_ => random.NextSingle() - 0.2f)], 0.01f) { IsMadeUp = isMadeUp };
        var palette = new PaletteCodes(values);
        byte[] nearest = [.. row.Select((x, i) => (byte)palette.Nearest(x / scales[i / blockLength]))], codes = [.. nearest];

        double change = MeanPreservingPalette.Apply(row, scales, blockLength, values, input, codes, new MoveSpace());

        var (before, squaresBefore) = Errors(nearest);
        var (after, squares) = Errors(codes);
        Assert.IsLessThan(before * before, (after * after) + (input.Variance * (isMadeUp ? 8 : 1) * (squares - squaresBefore)));
        Assert.AreEqual(squares - squaresBefore, change, 1e-6);
        for (int i = 0; i < length; i++)
        {
            Assert.IsLessThanOrEqualTo(1, Math.Abs(codes[i] - nearest[i]));
            if (row[i] == 0) Assert.AreEqual(nearest[i], codes[i], "zeros stay zeros");
        }

        (double Output, double Squares) Errors(byte[] chosen)
        {
            double output = 0, squareSum = 0;
            for (int i = 0; i < length; i++)
            {
                double error = row[i] - ((double)values[chosen[i]] * scales[i / blockLength]);
                output += error * input.Means[i];
                squareSum += error * error;
            }

            return (output, squareSum);
        }
    }

    [TestMethod]
    public void Apply_NoMean_MovesNothing()
    {
        float[] row = [0.3f, -0.7f];
        byte[] codes = [1, 0];
        Assert.AreEqual(0.0, MeanPreservingPalette.Apply(row, [1f], 2, [-1f, 0f, 1f], new MeanInput([0f, 0f], 1), codes, new MoveSpace()));
        CollectionAssert.AreEqual(new byte[] { 1, 0 }, codes);
    }
}
