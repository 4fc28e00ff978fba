using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Statistics;

namespace ModelCompression.Tests.Statistics;

[TestClass]
public sealed class RegressionStatisticTests
{
    [TestMethod]
    [DataRow(1), DataRow(2)]
    public void Moments_OfAConvolution_AreThoseOfItsWindows(int groups)
    {
        var graph = new OnnxGraph();
        var input = graph.AddInput("x", new TensorType(DataType.Float, Shape.Of(1, 4, 5, 4)));
        var weight = graph.AddInitializer("w", Tensor.Float([6, 4 / groups, 3, 3], new float[6 * 4 / groups * 9]));
        Assert.IsTrue(ConvView.TryFrom(graph.AddNode("Conv", [input, weight], ["y"], [NodeAttribute.Of("group", groups), NodeAttribute.Of("pads", [1, 1, 1, 1])]), out var conv));
        var statistic = new RegressionStatistic(TensorRows.Under(conv), TensorRows.Along(1), int.MaxValue);
        float[][] x = [RandomFloats.Make(1, 80), RandomFloats.Make(2, 80), RandomFloats.Make(3, 80)], y = [RandomFloats.Make(4, 120), RandomFloats.Make(5, 120), RandomFloats.Make(6, 120)];
        for (int s = 0; s < 3; s++) statistic.Add(new(x[s], [1, 4, 5, 4], s), new(y[s], [1, 6, 5, 4], s));

        Assert.AreEqual((36 / groups, 6 / groups), (statistic.XWidth, statistic.YWidth));
        for (int half = 0; half < 2; half++)
            for (int g = 0; g < groups; g++)
            {
                var expected = new double[statistic.Width * statistic.Width];
                foreach (int s in new[] { 0, 1, 2 }.Where(s => s % 2 == half))
                    for (int position = 0; position < 20; position++)
                    {
                        var row = Row(x[s], y[s], position, g, groups);
                        for (int i = 0; i < row.Length; i++)
                            for (int j = 0; j < row.Length; j++) expected[(i * row.Length) + j] += (double)row[i] * row[j];
                    }

                var actual = statistic.Moments(half, g);
                double scale = expected.Max(Math.Abs);
                // At most 40 products summed in binary32.
                for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], 40 * 1.2e-7 * scale);
            }
    }

    [TestMethod]
    public void NotFiniteSample_IsLeftOutAndTold()
    {
        var statistic = new RegressionStatistic(TensorRows.Along(-1), TensorRows.Along(-1), 100);
        statistic.Add(new([1, 2], [1, 2], 0), new([3], [1, 1], 0));
        statistic.Add(new([float.NaN, 2], [1, 2], 1), new([3], [1, 1], 1));
        Assert.IsFalse(statistic.IsConsistent);
        CollectionAssert.AreEqual(new double[] { 1, 2, 1, 3, 2, 4, 2, 6, 1, 2, 1, 3, 3, 6, 3, 9 }, statistic.Moments(0, 0).ToArray());
        Assert.IsTrue(statistic.Moments(1, 0).ToArray().All(v => v == 0));
    }

    [TestMethod]
    public void MoreRowsThanAllowed_AreThinnedEvenly()
    {
        var statistic = new RegressionStatistic(TensorRows.Along(-1), TensorRows.Along(-1), 3);
        float[] x = [.. Enumerable.Range(0, 9).Select(i => (float)i)];
        statistic.Add(new(x, [9, 1], 0), new(x, [9, 1], 0));
        // Rows 0, 3, 6.
        CollectionAssert.AreEqual(new double[] { 45, 9, 45, 9, 3, 9, 45, 9, 45 }, statistic.Moments(0, 0).ToArray());
    }

    [TestMethod]
    public void FewLongRows_AreKept_AndGiveTheSameMoments()
    {
        const int X = 900;
        var statistic = new RegressionStatistic(TensorRows.Along(-1), TensorRows.Along(-1), 100);
        var squares = new RegressionStatistic(TensorRows.Along(-1), TensorRows.Along(-1), 100, onlySquares: true);
        float[][] x = [.. Enumerable.Range(0, 9).Select(i => RandomFloats.Make(i, X))], y = [.. Enumerable.Range(0, 9).Select(i => RandomFloats.Make(i + 20, 2))];
        for (int s = 0; s < 9; s++)
        {
            statistic.Add(new(x[s], [1, X], s), new(y[s], [1, 2], s));
            squares.Add(new(x[s], [1, X], s), new(x[s], [1, X], s));
        }

        Assert.IsTrue(statistic.HasFewRows);
        Assert.AreEqual(4 * statistic.Width, statistic.Rows(1, 0).Length);
        CollectionAssert.AreEqual(x[2], statistic.Rows(0, 0).Slice(statistic.Width, X).ToArray());
        double[] kept = statistic.SquaredColumns(0), energies = squares.SquaredColumns(0);
        CollectionAssert.AreEqual(energies.Select(e => (float)e).ToArray(), kept.Select(e => (float)e).ToArray());
        double expected = Enumerable.Range(0, 9).Where(s => s % 2 == 0).Sum(s => (double)x[s][3] * y[s][1]);
        // Five products in binary32.
        Assert.AreEqual(expected, statistic.Moments(0, 0)[(3 * statistic.Width) + X + 2], 5 * 1.2e-7 * 5);
        Assert.IsFalse(statistic.HasFewRows, "Moments take the place of the rows.");
    }

    private static float[] Row(float[] x, float[] y, int position, int group, int groups)
    {
        int channels = 4 / groups, outputs = 6 / groups;
        var row = new List<float>();
        for (int c = group * channels; c < (group + 1) * channels; c++)
            for (int a = -1; a <= 1; a++)
                for (int b = -1; b <= 1; b++)
                {
                    int r = (position / 4) + a, q = (position % 4) + b;
                    row.Add(r is >= 0 and < 5 && q is >= 0 and < 4 ? x[(c * 20) + (r * 4) + q] : 0);
                }

        row.Add(1);
        for (int o = group * outputs; o < (group + 1) * outputs; o++) row.Add(y[(o * 20) + position]);
        return [.. row];
    }
}
