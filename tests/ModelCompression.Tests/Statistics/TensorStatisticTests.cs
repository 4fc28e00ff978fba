using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Statistics;

namespace ModelCompression.Tests.Statistics;

/// <summary>Each statistic against a scalar reading of its definition.</summary>
[TestClass]
public sealed class TensorStatisticTests
{
    [TestMethod]
    [DataRow(0), DataRow(1), DataRow(7), DataRow(16), DataRow(17), DataRow(40), DataRow(1003)]
    public void Range_EqualsScalarScan(int count)
    {
        float[] x = RandomFloats.Make(count, count);
        var statistic = new RangeStatistic();

        statistic.Add(statistic.Measure(new(x, [count], 0)));

        Assert.AreEqual(count == 0 ? float.PositiveInfinity : x.Min(), statistic.Min);
        Assert.AreEqual(count == 0 ? float.NegativeInfinity : x.Max(), statistic.Max);
        Assert.IsFalse(statistic.HasNonFinite);
    }

    [TestMethod]
    [DataRow(float.NaN), DataRow(float.PositiveInfinity), DataRow(float.NegativeInfinity)]
    public void Range_NotFiniteElement_IsLeftOutAndTold(float bad)
    {
        for (int at = 0; at < 37; at++)
        {
            float[] x = RandomFloats.Make(at, 37);
            x[at] = bad;
            var statistic = new RangeStatistic();

            statistic.Add(statistic.Measure(new(x, [37], 0)));

            Assert.IsTrue(statistic.HasNonFinite);
            Assert.AreEqual(x.Where(float.IsFinite).Min(), statistic.Min);
            Assert.AreEqual(x.Where(float.IsFinite).Max(), statistic.Max);
        }
    }

    [TestMethod]
    public void Range_IsOpenUntilItReachesBounds()
    {
        var unbounded = new RangeStatistic();
        var bounded = new RangeStatistic(-1, 6);
        Assert.AreEqual(Extremes.Both, bounded.Open);
        foreach (var (x, open) in new[] { (new[] { -0.5f, 2 }, Extremes.Both), ([-1, 2], Extremes.High), ([0, 6], Extremes.None) })
        {
            foreach (var statistic in new[] { unbounded, bounded }) statistic.Add(statistic.Measure(new(x, [2], 0)));
            Assert.AreEqual(open, bounded.Open);
            Assert.AreEqual(Extremes.Both, unbounded.Open);
        }
    }

    [TestMethod]
    public void ExtremesOfChannels_TellWhatTheTensorDoes()
    {
        float[] x = RandomFloats.Make(5, 2 * 3 * 7);
        float[] highs = [.. x.Chunk(7).Select(c => c.Max())], lows = [.. x.Chunk(7).Select(c => c.Min())];
        var (range, wholeRange, channels, wholeChannels) = (new RangeStatistic(), new RangeStatistic(), new ChannelStatistic(1, 0), new ChannelStatistic(1, 0));

        range.Add(range.MeasureExtremes(new(highs, [2, 3, 1], 0), new(lows, [2, 3, 1], 0)));
        channels.Add(channels.MeasureExtremes(new(highs, [2, 3, 1], 0), new(lows, [2, 3, 1], 0)));
        foreach (var whole in new TensorStatistic[] { wholeRange, wholeChannels }) whole.Add(whole.Measure(new(x, [2, 3, 7], 0)));

        Assert.AreEqual((wholeRange.Min, wholeRange.Max, false), (range.Min, range.Max, range.HasNonFinite));
        CollectionAssert.AreEqual(wholeChannels.Min, channels.Min);
        CollectionAssert.AreEqual(wholeChannels.Max, channels.Max);
        range.Add(range.MeasureExtremes(new(highs, [2, 3, 1], 1), new([.. lows.Skip(1), float.NegativeInfinity], [2, 3, 1], 1)));
        channels.Add(channels.MeasureExtremes(new(highs, [2, 3, 1], 1), new([.. lows.Skip(1), float.NegativeInfinity], [2, 3, 1], 1)));
        Assert.IsTrue(range.HasNonFinite);
        Assert.IsFalse(channels.AllFinite);
    }

    [TestMethod]
    [DataRow(-1), DataRow(1), DataRow(0)]
    public void MeanRow_EqualsScalarMeans(int axis)
    {
        long[] shape = [3, 5, 11];
        var rows = TensorRows.Along(axis);
        var statistic = new MeanRowStatistic(rows, int.MaxValue);
        float[][] samples = [RandomFloats.Make(1, 165), RandomFloats.Make(2, 165)];

        for (int i = 0; i < 2; i++) statistic.Add(statistic.Measure(new(samples[i], shape, i)));
        statistic.Add(statistic.Measure(new(RandomFloats.Make(3, 288), [4, 6, 12], 2)));

        int at = axis < 0 ? axis + 3 : axis, width = (int)shape[at], inner = (int)shape[(at + 1)..].Aggregate(1L, (a, b) => a * b);
        Assert.AreEqual(2 * 165 / width, statistic.RowCount);
        Assert.IsFalse(statistic.IsConsistent);
        for (int k = 0; k < width; k++)
            Assert.AreEqual(samples.SelectMany(s => s.Where((_, i) => i / inner % width == k)).Average(), statistic.Mean(0, k), 1e-6);
        Assert.AreEqual(samples.Sum(s => s.Sum(x => (double)x * x)) / statistic.RowCount, statistic.Energy(0), 1e-6 * statistic.Energy(0));
    }

    [TestMethod]
    public void Histogram_GrowingRange_CountsEveryElementInItsBin()
    {
        float[][] samples = [RandomFloats.Make(1, 1000, 0.01), RandomFloats.Make(2, 999, 3), [0f, -0f, 1e-30f], RandomFloats.Make(3, 501, 0.5), [float.NaN, 1f]];
        var statistic = new HistogramStatistic();

        for (int i = 0; i < samples.Length; i++) statistic.Add(statistic.Measure(new(samples[i], [samples[i].Length], i)));

        float[] all = [.. samples.SelectMany(s => s).Where(float.IsFinite)];
        long[] expected = new long[2 * HistogramStatistic.HalfCount];
        foreach (float x in all) expected[(int)Math.Floor(x / statistic.BinWidth) + HistogramStatistic.HalfCount]++;
        CollectionAssert.AreEqual(expected, statistic.Counts.ToArray());
        Assert.AreEqual(all.Length, statistic.Total);
        Assert.IsTrue(statistic.HasNonFinite);
        float largest = all.Max(Math.Abs);
        Assert.IsTrue(largest < statistic.BinWidth * HistogramStatistic.HalfCount && largest >= statistic.BinWidth * HistogramStatistic.HalfCount / 2, "the finest grid that holds the range");
    }

    [TestMethod]
    public void Histogram_OrderOfSamples_DoesNotMatter()
    {
        float[][] samples = [.. Enumerable.Range(0, 6).Select(i => RandomFloats.Make(i, 300, Math.Pow(4, i - 3)))];
        HistogramStatistic forwards = new(), backwards = new();

        foreach (float[] s in samples) forwards.Add(forwards.Measure(new(s, [s.Length], 0)));
        foreach (float[] s in samples.Reverse()) backwards.Add(backwards.Measure(new(s, [s.Length], 0)));

        CollectionAssert.AreEqual(forwards.Counts.ToArray(), backwards.Counts.ToArray());
        Assert.AreEqual(forwards.BinWidth, backwards.BinWidth);
    }

    [TestMethod]
    [DataRow(0), DataRow(1), DataRow(-1)]
    public void Channels_EqualScalarMoments(int axis)
    {
        long[] shape = [3, 5, 19];
        float[][] samples = [RandomFloats.Make(4, 3 * 5 * 19), RandomFloats.Make(5, 3 * 5 * 19)];
        var statistic = new ChannelStatistic(axis);

        foreach (float[] s in samples) statistic.Add(statistic.Measure(new(s, shape, 0)));

        int at = axis < 0 ? axis + 3 : axis;
        int inner = (int)(at == 0 ? 95 : at == 1 ? 19 : 1), channels = (int)shape[at];
        for (int c = 0; c < channels; c++)
        {
            double[] elements = [.. samples.SelectMany(s => s.Where((_, i) => i / inner % channels == c)).Select(v => (double)v)];
            Assert.AreEqual(elements.Length, statistic.Count);
            Assert.AreEqual(elements.Average(), statistic.Mean(c), 1e-12);
            Assert.AreEqual(elements.Average(v => v * v), statistic.MeanSquare(c), 1e-11);
            Assert.AreEqual(elements.Max(Math.Abs), statistic.AbsMax(c));
        }
    }

    [TestMethod]
    [DataRow(0), DataRow(1), DataRow(-1)]
    public void Slopes_AreThoseOfScalarCounts(int axis)
    {
        long[] shape = [2, 3, 7];
        float[][] samples = [RandomFloats.Make(8, 42), RandomFloats.Make(9, 42)];
        foreach (float[] s in samples) (s[0], s[1], s[2]) = (-0.5f, 0.75f, float.NaN);
        var statistic = new SlopeStatistic(axis, [new(-0.5, 0, 0.25), new(0, 0.75, 1)]);

        foreach (float[] s in samples) statistic.Add(statistic.Measure(new(s, shape, 0)));

        int inner = axis == 0 ? 21 : axis == 1 ? 7 : 1, channels = (int)shape[axis < 0 ? 2 : axis];
        for (int c = 0; c < channels; c++)
        {
            double expected = samples.SelectMany(s => s.Where((_, i) => i / inner % channels == c)).Average(v => v > 0 && v < 0.75f ? 1.0 : v > -0.5f && v < 0 ? 0.25 : 0);
            Assert.AreEqual(expected, statistic.Means[c], 1e-15);
        }
    }

    [TestMethod]
    [DataRow(1, 1), DataRow(3, 5), DataRow(300, 12), DataRow(700, 37)]
    public void Gram_OfRows_EqualsScalarProduct(int rows, int width)
    {
        float[] x = RandomFloats.Make(rows, rows * width);
        var statistic = new GramStatistic(TensorRows.Along(-1));

        statistic.Add(statistic.Measure(new(x, [rows, width], 0)));

        AssertGram(x, rows, width, statistic.Matrix(0));
        Assert.AreEqual(rows, statistic.RowCount);
    }

    [TestMethod]
    public void Gram_OfColumnsAndLimitedRows_TakesEvenlySpacedOnes()
    {
        float[] x = RandomFloats.Make(9, 6 * 10);
        var statistic = new GramStatistic(TensorRows.Along(0), maxRowsPerSample: 5);

        statistic.Add(statistic.Measure(new(x, [6, 10], 0)));

        float[] rows = [.. new[] { 0, 2, 4, 6, 8 }.SelectMany(column => Enumerable.Range(0, 6).Select(k => x[(k * 10) + column]))];
        AssertGram(rows, 5, 6, statistic.Matrix(0));
    }

    [TestMethod]
    [DataRow(1, 1, 0, 1), DataRow(2, 2, 1, 1), DataRow(1, 2, 2, 2)]
    public void Gram_UnderWindow_MakesConvolutionAProduct(int group, int stride, int pad, int dilation)
    {
        int perGroup = 4 / group;
        var node = new OnnxGraph("g");
        var weight = node.AddInitializer("w", Tensor.Float([4, perGroup, 3, 2], RandomFloats.Make(1, 4 * perGroup * 6)));
        var conv = node.AddNode("Conv", [node.AddInput("x", null), weight], ["y"],
            [NodeAttribute.Of("group", group), NodeAttribute.Of("strides", stride, 1L), NodeAttribute.Of("pads", pad, 0L, 1L, pad), NodeAttribute.Of("dilations", 1L, dilation)]);
        Assert.IsTrue(ConvView.TryFrom(conv, out var view));
        float[] x = RandomFloats.Make(2, 2 * 4 * 7 * 6);
        var rows = TensorRows.Under(view);
        long[] shape = [2, 4, 7, 6];

        Assert.IsTrue(rows.TryMeasure(shape, out long count, out int width));
        Assert.AreEqual(perGroup * 6, width);
        for (int g = 0; g < group; g++)
        {
            float[] copy = new float[count * width];
            rows.Copy(new(x, shape, 0), g, 0, 1, copy);
            CollectionAssert.AreEqual(ScalarWindows(x, g, perGroup, stride, pad, dilation), copy);
        }
    }

    /// <summary>The matrices of a depthwise convolution are decomposed side by side; rows that were still waiting are added once.</summary>
    [TestMethod]
    public void Gram_OfManyGroups_IsTheSameForThreadsThatAskAtOnce()
    {
        const int groups = 512;
        var graph = new OnnxGraph("g");
        var conv = graph.AddNode("Conv", [graph.AddInput("x", null), graph.AddInitializer("w", Tensor.Float([groups, 1, 3, 3], new float[groups * 9]))], ["y"], [NodeAttribute.Of("group", (long)groups)]);
        Assert.IsTrue(ConvView.TryFrom(conv, out var view));
        float[] x = RandomFloats.Make(5, groups * 12 * 12);
        GramStatistic Measured()
        {
            var statistic = new GramStatistic(TensorRows.Under(view));
            statistic.Add(statistic.Measure(new(x, [1, groups, 12, 12], 0)));
            return statistic;
        }

        static float[] All(GramStatistic statistic) => [.. Enumerable.Range(0, groups).SelectMany(g => statistic.Matrix(g).ToArray())];
        float[] expected = All(Measured());
        for (int turn = 0; turn < 10; turn++)
        {
            var statistic = Measured();
            float[][] found = new float[4][];
            using var start = new Barrier(found.Length);
            var threads = Enumerable.Range(0, found.Length).Select(t => new Thread(() =>
            {
                start.SignalAndWait();
                found[t] = All(statistic);
            })).ToArray();
            foreach (var thread in threads) thread.Start();
            foreach (var thread in threads) thread.Join();
            foreach (float[] matrices in found) CollectionAssert.AreEqual(expected, matrices);
        }
    }

    [TestMethod]
    public void Cross_EqualsScalarProduct()
    {
        float[] x = RandomFloats.Make(1, 300 * 5), y = RandomFloats.Make(2, 300 * 7);
        var statistic = new CrossStatistic(TensorRows.Along(-1), TensorRows.Along(-1));

        statistic.Add(new(x, [300, 5], 0), new(y, [300, 7], 0));

        for (int i = 0; i < 5; i++)
            for (int j = 0; j < 7; j++)
            {
                double[] products = [.. Enumerable.Range(0, 300).Select(r => (double)x[(r * 5) + i] * y[(r * 7) + j])];
                Assert.AreEqual(products.Sum(), statistic.Matrix[(i * 7) + j], SumError(products));
            }

        Assert.AreEqual(y.Sum(v => (double)v * v), statistic.YSquare, 1e-9);
    }

    /// <summary>n roundings of binary32 on a sum whose magnitudes add up to Σ|p|.</summary>
    private static double SumError(double[] products) => products.Length * Math.Pow(2, -24) * products.Sum(Math.Abs);

    private static void AssertGram(float[] x, int rows, int width, ReadOnlySpan<float> actual)
    {
        for (int i = 0; i < width; i++)
            for (int j = 0; j < width; j++)
            {
                double[] products = [.. Enumerable.Range(0, rows).Select(r => (double)x[(r * width) + i] * x[(r * width) + j])];
                Assert.AreEqual(products.Sum(), actual[(i * width) + j], SumError(products));
            }
    }

    private static float[] ScalarWindows(float[] x, int g, int perGroup, int stride, int pad, int dilation)
    {
        // Input [2, 4, 7, 6], kernel 3 by 2, pads (pad, 0, 1, pad).
        int heights = ((7 + pad + 1 - 3) / stride) + 1, widths = 6 + pad - (1 + dilation) + 1;
        var rows = new List<float>();
        for (int n = 0; n < 2; n++)
            for (int h = 0; h < heights; h++)
                for (int w = 0; w < widths; w++)
                    for (int c = 0; c < perGroup; c++)
                        for (int a = 0; a < 3; a++)
                            for (int b = 0; b < 2; b++)
                            {
                                int y = (h * stride) - pad + a, z = w + (b * dilation);
                                rows.Add(y is >= 0 and < 7 && z is >= 0 and < 6 ? x[((((n * 4) + (g * perGroup) + c) * 7) + y) * 6 + z] : 0);
                            }

        return [.. rows];
    }
}
