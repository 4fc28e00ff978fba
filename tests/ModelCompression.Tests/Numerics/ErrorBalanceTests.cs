using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Numerics;

[TestClass]
public sealed class ErrorBalanceTests
{
    private static readonly CurvedCodes Codes = new(3f);

    [TestMethod]
    [DataRow(1, 12, 40)]
    [DataRow(40, 12, 1)]
    [DataRow(6, 5, 9)]
    public void Apply_BalancesTheErrorsOfEveryChannel(int outer, int channels, int inner)
    {
        var layout = new ChannelLayout(outer, channels, inner);
        float[] elements = Elements(layout.ElementCount, seed: outer);
        var scales = Enumerable.Range(0, channels).Select(c => new AffineScale(0.01f * (c + 1), 0)).ToArray();
        byte[] before = Quantize(elements, layout, scales);
        byte[] after = [.. before];

        ErrorBalance.Apply(elements, layout, layout, scales, new CurvedLevels(Codes), after.AsSpan());

        for (int c = 0; c < channels; c++)
        {
            double was = Math.Abs(Sum(elements, layout, scales, before, c)), sum = Math.Abs(Sum(elements, layout, scales, after, c));
            Assert.IsLessThanOrEqualTo(was + 1e-12, sum, $"channel {c}");
            // What is left is at most half of the coarsest level distance.
            Assert.IsLessThanOrEqualTo(scales[c].Scale * CurvedCodes.StepAt(Codes.Highest, 3) / 2, sum, $"channel {c}");
        }
    }

    [TestMethod]
    [DataRow(30, 7, 1)]
    [DataRow(3, 7, 20)]
    public void Apply_GivesTheSameForRangesOfChannelsAsForAllAtOnce(int outer, int channels, int inner)
    {
        var layout = new ChannelLayout(outer, channels, inner);
        float[] elements = Elements(layout.ElementCount, seed: inner);
        var scales = Enumerable.Range(0, channels).Select(c => new AffineScale(0.01f * (c + 1), 0)).ToArray();
        byte[] whole = Quantize(elements, layout, scales), parts = [.. whole];

        double added = ErrorBalance.Apply(elements, layout, layout, scales, new CurvedLevels(Codes), whole.AsSpan());
        var errors = new RoundingErrors<byte, CurvedLevels>(elements, layout, layout, scales, new CurvedLevels(Codes), parts);
        double addedInParts = ErrorBalance.Apply(errors, 0, 3) + ErrorBalance.Apply(errors, 3, 4);

        CollectionAssert.AreEqual(whole, parts);
        Assert.AreEqual(added, addedInParts, 1e-12);
        Assert.IsGreaterThan(0, added);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Weighted_BalancesWhatInputsMakeOfTheErrors(int groups)
    {
        const int channels = 6, inner = 60;
        var layout = new ChannelLayout(1, channels, inner);
        float[] elements = Elements(layout.ElementCount, seed: groups), inputs = Array.ConvertAll(Elements(groups * inner, seed: 9), x => x + 0.3f);
        var scales = Enumerable.Range(0, channels).Select(c => new AffineScale(0.01f * (c + 1), 0)).ToArray();
        byte[] before = Quantize(elements, layout, scales), after = [.. before];

        var errors = new RoundingErrors<byte, CurvedLevels>(elements, layout, layout, scales, new CurvedLevels(Codes), after, inputs);
        ErrorBalance.Apply(errors, 0, channels);

        double was = 0, left = 0;
        for (int c = 0; c < channels; c++)
        {
            var weights = inputs.AsSpan(c * groups / channels * inner, inner).ToArray();
            double sum = Product(elements, scales[c].Scale, after, c, weights);
            Assert.AreEqual(sum, errors.Sum(c), 1e-9);
            was += Math.Pow(Product(elements, scales[c].Scale, before, c, weights), 2);
            left += sum * sum;
        }

        // Sums of 60 errors of up to half a step have 5 steps² on average, times the inputs' squares; what is left of each is a quarter of a step or less, squared 0.06, but for a large input now and then.
        Assert.IsLessThan(0.1 * was, left);
    }

    private static double Product(float[] elements, float scale, byte[] codes, int channel, float[] inputs)
    {
        float[] levels = Codes.Table();
        return Enumerable.Range(0, inputs.Length).Sum(k => (elements[(channel * inputs.Length) + k] - ((double)levels[codes[(channel * inputs.Length) + k]] * scale)) * inputs[k]);
    }

    [TestMethod]
    [DataRow(6, 5, 9, 1)]
    [DataRow(4, 3, 1, 5)]
    public void RunBlocksFollowEachOther_AndRunsStartAnywhere(int outer, int channels, int inner, int groups)
    {
        var layout = new ChannelLayout(outer, channels, inner, groups);
        var all = new List<ChannelRun>();
        foreach (var run in layout.Runs()) all.Add(run);
        Assert.HasCount(outer * channels * groups, all);
        for (int i = 0; i < all.Count; i++) Assert.AreEqual(new ChannelRun(i * inner, (i / (outer * channels) * channels) + (i % channels)), all[i]);

        var later = new List<ChannelRun>();
        foreach (var run in new ChannelRuns(layout, 7 * inner, 5 * inner)) later.Add(run);
        CollectionAssert.AreEqual(all[7..12], later);

        var large = new ChannelLayout(1000, channels, 100 * inner);
        int next = 0;
        foreach (var (start, length) in large.RunBlocks())
        {
            Assert.AreEqual(next, start);
            Assert.AreEqual(0, length % large.Inner);
            next += length;
        }

        Assert.AreEqual(large.ElementCount, next);
    }

    [TestMethod]
    public void Apply_MovesByOneLevelAndReportsTheAddedNoise()
    {
        var layout = new ChannelLayout(1, 8, 64);
        float[] elements = Elements(layout.ElementCount, seed: 7);
        var scales = Enumerable.Repeat(new AffineScale(0.02f, 0), 8).ToArray();
        byte[] before = Quantize(elements, layout, scales);
        byte[] after = [.. before];

        double added = ErrorBalance.Apply(elements, layout, layout, scales, new CurvedLevels(Codes), after.AsSpan());

        Assert.IsTrue(before.Zip(after).All(p => Math.Abs(p.First - p.Second) <= 1));
        Assert.IsTrue(before.Zip(after).Any(p => p.First != p.Second), "nothing moved");
        double grown = Noise(elements, layout, scales, after) - Noise(elements, layout, scales, before);
        Assert.AreEqual(grown, added, 1e-9 * Noise(elements, layout, scales, after));
    }

    [TestMethod]
    public void Apply_KeepsZeros()
    {
        var layout = new ChannelLayout(1, 4, 50);
        float[] elements = Elements(layout.ElementCount, seed: 3);
        for (int i = 0; i < elements.Length; i += 2) elements[i] = 0;
        var scales = Enumerable.Repeat(new AffineScale(0.5f, 0), 4).ToArray();
        byte[] codes = Quantize(elements, layout, scales);

        ErrorBalance.Apply(elements, layout, layout, scales, new CurvedLevels(Codes), codes.AsSpan());

        Assert.IsTrue(Enumerable.Range(0, elements.Length / 2).All(i => codes[2 * i] == Codes.Offset));
    }

    [TestMethod]
    public void Apply_BalancesChannelsWhoseBlocksHaveScales()
    {
        var channels = new ChannelLayout(1, 3, 64);
        var blocks = new ChannelLayout(1, 3 * 4, 16);
        float[] elements = Elements(channels.ElementCount, seed: 11);
        var scales = Enumerable.Range(0, 12).Select(b => new AffineScale(0.01f * (1 + (b % 4)), 0)).ToArray();
        byte[] codes = Quantize(elements, blocks, scales);

        ErrorBalance.Apply(elements, channels, blocks, scales, new CurvedLevels(Codes), codes.AsSpan());

        for (int c = 0; c < 3; c++)
        {
            double sum = Enumerable.Range(c * 64, 64).Sum(i => elements[i] - (Codes.Table()[codes[i]] * (double)scales[i / 16].Scale));
            Assert.IsLessThanOrEqualTo(0.04 * CurvedCodes.StepAt(Codes.Highest, 3) / 2, Math.Abs(sum));
        }
    }

    [TestMethod]
    [DataRow(9)]
    [DataRow(12)]
    public void Apply_BalancesEvenlySpacedCodes_WithinTheirRange(int bits)
    {
        var layout = new ChannelLayout(1, 6, 40);
        float[] elements = Elements(layout.ElementCount, seed: bits);
        var range = CodeRange.Symmetric(bits);
        var scales = Enumerable.Repeat(new AffineScale(0.75f / range.Highest, 0), 6).ToArray();
        short[] codes = [.. elements.Select(e => (short)Math.Clamp(MathF.Round(e / scales[0].Scale), range.Lowest, range.Highest))];

        ErrorBalance.Apply(elements, layout, layout, scales, new EvenLevels<short>(range), codes.AsSpan());

        Assert.IsTrue(codes.All(c => c >= range.Lowest && c <= range.Highest));
        for (int c = 0; c < 6; c++)
            Assert.IsLessThanOrEqualTo(scales[c].Scale * 0.5001, Math.Abs(Enumerable.Range(c * 40, 40).Sum(i => elements[i] - (codes[i] * (double)scales[c].Scale))));
    }

    [TestMethod]
    public void Apply_BalancesHalves_OfBothSigns()
    {
        var layout = new ChannelLayout(1, 6, 40);
        float[] elements = Elements(layout.ElementCount, seed: 5);
        Half[] halves = [.. elements.Select(e => (Half)e)], before = [.. halves];

        ErrorBalance.Apply(elements, layout, layout, [.. Enumerable.Repeat(new AffineScale(1, 0), 6)], default(HalfLevels), halves.AsSpan());

        Assert.IsTrue(halves.Zip(before).Any(p => p.First != p.Second), "nothing moved");
        for (int c = 0; c < 6; c++)
        {
            // Half of the widest distance of binary16 numbers below 1 in magnitude.
            Assert.IsLessThanOrEqualTo(Math.Pow(2, -11) / 2, Math.Abs(Sum(halves, c)));
            Assert.IsLessThanOrEqualTo(Math.Abs(Sum(before, c)) + 1e-12, Math.Abs(Sum(halves, c)));
        }

        double Sum(Half[] numbers, int channel) => Enumerable.Range(channel * 40, 40).Sum(i => elements[i] - (double)numbers[i]);
    }

    [TestMethod]
    public void Settle_LetsTheFinestTapTakeWhatIsLeft_WhereAllMeetTheSameInput()
    {
        // Steps of binary16 are 2^-5 at 40 and 2^-13 at 0.2.
        float[] taps = [40.013f, -39.99f, 0.2001f, 0, 3.0007f, -3.01f, 1.003f, -1.23f, 2.5f];
        Half[] halves = [.. taps.Select(t => (Half)t)], before = [.. halves];
        var channel = new ChannelLayout(1, 1, 9);
        var errors = new RoundingErrors<Half, HalfLevels>(taps, channel, channel, [new AffineScale(1, 0)], default, halves);
        double left = Left(before);
        Assert.IsGreaterThan(1e-3, Math.Abs(left), "Rounding leaves nothing here: the test shows nothing.");

        Assert.AreEqual(0, errors.Weighted([1, 1, 1, 1, 1, 1, 1, 1, 2]).Settle(0), "inputs differ");
        Assert.AreEqual(0, errors.Weighted(new float[9]).Settle(0), "nothing is met");
        CollectionAssert.AreEqual(before, halves);
        double added = errors.Weighted([.. Enumerable.Repeat(1.7f, 9)]).Settle(0);

        Assert.IsLessThanOrEqualTo(Math.Pow(2, -14), Math.Abs(Left(halves)));
        Assert.AreEqual(Squared(halves) - Squared(before), added, 1e-12);
        CollectionAssert.AreEqual(new[] { 2 }, Enumerable.Range(0, 9).Where(i => halves[i] != before[i]).ToArray());

        double Left(Half[] numbers) => taps.Zip(numbers, (t, n) => t - (double)n).Sum();
        double Squared(Half[] numbers) => taps.Zip(numbers, (t, n) => Math.Pow(t - (double)n, 2)).Sum();
    }

    [TestMethod]
    public void Settle_LeavesLevelsAlone_ThatAreNowhereFine()
    {
        var channel = new ChannelLayout(1, 1, 9);
        float[] elements = Elements(9, seed: 2);
        var scales = new[] { new AffineScale(0.02f, 0) };
        byte[] codes = Quantize(elements, channel, scales), before = [.. codes];
        Assert.AreEqual(0, new RoundingErrors<byte, CurvedLevels>(elements, channel, channel, scales, new CurvedLevels(Codes), codes).Settle(0));
        CollectionAssert.AreEqual(before, codes);
    }

    private static byte[] Quantize(float[] elements, ChannelLayout layout, AffineScale[] scales)
    {
        byte[] codes = new byte[elements.Length];
        CurvedQuantizer.Quantize(Tensor.Float([elements.Length], elements), layout, scales, Codes, codes);
        return codes;
    }

    private static double Sum(float[] elements, ChannelLayout layout, AffineScale[] scales, byte[] codes, int channel)
    {
        double sum = 0;
        for (int i = 0; i < elements.Length; i++)
            if (i / layout.Inner % layout.Channels == channel) sum += elements[i] - (Codes.Table()[codes[i]] * (double)scales[channel].Scale);
        return sum;
    }

    private static double Noise(float[] elements, ChannelLayout layout, AffineScale[] scales, byte[] codes) =>
        Enumerable.Range(0, elements.Length).Sum(i => Math.Pow(elements[i] - (Codes.Table()[codes[i]] * (double)scales[i / layout.Inner % layout.Channels].Scale), 2));

    /// <summary>Bell-shaped values within the reach of the codes for scales from 0.01.</summary>
    private static float[] Elements(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 0.5))];
    }
}
