using ModelCompression.Gradients;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Pruning.ByGradient;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Tests.Gradients;

namespace ModelCompression.Tests.Passes.Pruning;

[TestClass]
public sealed class PruneByGradientTests
{
    private static readonly CompressionOptions Stability = new() { Pruning = PruningCriterion.GradientStability };

    [TestMethod]
    public void Moments_AreMeanAndPopulationDeviation()
    {
        var random = new Random(1);
        double[][] samples = [.. Enumerable.Range(0, 17).Select(_ => Enumerable.Range(0, 21).Select(i => 5 + i + random.NextDouble()).ToArray())];
        var moments = new GradientMoments(21);
        foreach (var sample in samples) moments.Add(Array.ConvertAll(sample, v => (float)v));
        for (int i = 0; i < 21; i++)
        {
            double mean = samples.Average(s => s[i]), deviation = Math.Sqrt(samples.Average(s => (s[i] - mean) * (s[i] - mean)));
            Assert.AreEqual(mean, moments.Mean[i], 1e-5 * mean);
            // The values are rounded to binary32 at about 25: 1e-6 each.
            Assert.AreEqual(deviation, moments.Deviation(i), 1e-5);
        }
    }

    [TestMethod]
    public void MomentsOfFactors_AreCompleteForWhicheverThreadReadsFirst()
    {
        const int left = 64, right = 512, trials = 200;
        var random = new Random(2);
        float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(1 + random.NextDouble()))];
        var batches = Enumerable.Range(0, 2).Select(_ =>
        {
            var batch = new MiniBatchGradients([left * right]);
            batch.AppendFactors(0, new MatrixFactors("a", "b", left, right, 1), Values(left), Values(right), isFirst: true);
            return batch;
        }).ToArray();
        for (int trial = 0; trial < trials; trial++)
        {
            var moments = new GradientMoments(left * right);
            Assert.AreEqual(-1, moments.Add(batches, 0));
            using var start = new Barrier(2);
            var read = new float[2];
            var threads = Enumerable.Range(0, 2).Select(i => new Thread(() =>
            {
                start.SignalAndWait();
                // What is written last; all means lie between 1 and 4.
                read[i] = moments.Mean[^1];
            })).ToList();
            threads.ForEach(t => t.Start());
            threads.ForEach(t => t.Join());

            Assert.IsGreaterThanOrEqualTo(1f, read[0]);
            Assert.AreEqual(read[0], read[1]);
        }
    }

    [TestMethod]
    public void Thresholds_RemoveExactlyTheWeightsWithinBoth()
    {
        using var blobs = new Blobs();
        const double mean = 0.005, deviation = 0.015;
        var (means, deviations) = Statistics(blobs, "w1");
        float[] before = blobs.Weights("w1");
        var log = Run(blobs, Stability with { GradientMeanThreshold = mean, GradientStdThreshold = deviation });
        float[] after = blobs.Weights("w1");
        int removed = 0;
        for (int i = 0; i < after.Length; i++)
        {
            // The pass and this test accumulate in different orders; elements at the very threshold may fall either way.
            if (Math.Abs(means[i] - mean) < 1e-6 || Math.Abs(deviations[i] - deviation) < 1e-6) continue;
            bool goes = means[i] <= mean && deviations[i] <= deviation;
            Assert.AreEqual(goes ? 0 : before[i], after[i]);
            removed += goes ? 1 : 0;
        }

        Assert.IsGreaterThan(5, removed);
        Assert.IsLessThan(after.Length - 5, removed);
        StringAssert.StartsWith(log.Layers.Single(l => l.Weight == "w1").Action, "pruned by GradientStability");
    }

    [TestMethod]
    [DataRow(PruningCriterion.GradientStability)]
    [DataRow(PruningCriterion.Taylor)]
    public void Sparsity_RemovesTheLowestScores(PruningCriterion criterion)
    {
        using var blobs = new Blobs();
        var (means, deviations) = Statistics(blobs, "w1");
        float[] before = blobs.Weights("w1");
        Run(blobs, new CompressionOptions { Pruning = criterion, Sparsity = 0.25, PruningScope = PruningScope.Layer });
        float[] after = blobs.Weights("w1");
        double Score(int i) => Math.Abs(before[i]) * (criterion == PruningCriterion.Taylor ? Math.Sqrt((means[i] * means[i]) + (deviations[i] * deviations[i])) : Math.Max(means[i], deviations[i]));
        var removed = Enumerable.Range(0, after.Length).Where(i => after[i] == 0).ToList();
        Assert.HasCount(after.Length / 4, removed);
        double highest = removed.Max(Score), lowest = Enumerable.Range(0, after.Length).Except(removed).Min(Score);
        Assert.IsLessThan(lowest * (1 + 1e-3), highest);
    }

    [TestMethod]
    public void NOfM_KeepsNOfEveryM()
    {
        using var blobs = new Blobs();
        Run(blobs, new CompressionOptions { Pruning = PruningCriterion.Taylor, PruningPattern = new(PruningPatternKind.NOfM, 2, 4) });
        float[] weights = blobs.Weights("w1");
        for (int column = 0; column < 24; column++)
            for (int group = 0; group < 8; group += 4)
                Assert.AreEqual(2, Enumerable.Range(group, 4).Count(row => weights[(row * 24) + column] != 0));
    }

    [TestMethod]
    public void Thresholds_ThatFitAllOrNone_SaySo()
    {
        using (var blobs = new Blobs())
        {
            var e = Assert.ThrowsExactly<DiagnosticException>(() => Run(blobs, Stability with { GradientMeanThreshold = 1e9, GradientStdThreshold = 1e9 }));
            Assert.AreEqual("MCB4065", e.Diagnostic.Code);
            Assert.Contains("GradientMeanThreshold=1E+09", e.Diagnostic.Message);
        }

        using (var blobs = new Blobs())
        {
            var (first, second) = (Statistics(blobs, "w1"), Statistics(blobs, "w2"));
            var e = Assert.ThrowsExactly<DiagnosticException>(() => Run(blobs, Stability with { GradientMeanThreshold = 1e9, GradientStdThreshold = 1e9 }));
            double[] said = [.. System.Text.RegularExpressions.Regex.Matches(e.Diagnostic.Message, @"at most ([0-9.eE+-]+[0-9])").Select(m => double.Parse(m.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture))];
            // Of all weights, not of as many of each layer. Three digits are printed.
            Assert.AreEqual(Median([.. first.Means.Concat(second.Means).Select(Math.Abs)]), said[0], 0.006 * said[0]);
            Assert.AreEqual(Median([.. first.Deviations, .. second.Deviations]), said[1], 0.006 * said[1]);
        }

        using (var blobs = new Blobs())
        {
            float[] before = blobs.Weights("w1");
            var log = Run(blobs, Stability with { GradientMeanThreshold = 0, GradientStdThreshold = 0 });
            Assert.AreEqual("MCB4064", log.Diagnostics.Single().Code);
            Assert.MatchesRegex(@"Half of the weights have a mean of at most \d", log.Diagnostics[0].Message);
            CollectionAssert.AreEqual(before, blobs.Weights("w1"));
        }
    }

    /// <summary>Gradients are those of the same model in binary32; weights keep their type.</summary>
    [TestMethod]
    [DataRow(DataType.Float16, PruningCriterion.Taylor)]
    [DataRow(DataType.BFloat16, PruningCriterion.GradientStability)]
    [DataRow(DataType.Double, PruningCriterion.Taylor)]
    public void WeightsOfOtherTypes_LoseWhatTheyLoseInBinary32(DataType type, PruningCriterion criterion)
    {
        var options = new CompressionOptions { Pruning = criterion, Sparsity = 0.25 };
        using var twin = new Blobs(grid: type);
        Run(twin, options);
        using var blobs = new Blobs(type: type);
        var log = Run(blobs, options);

        foreach (string name in new[] { "w1", "w2" })
        {
            Assert.AreEqual(type, blobs.Model.Graph.Initializers.Single(i => i.Name == name).Initializer!.DataType);
            CollectionAssert.AreEqual(twin.Weights(name), blobs.Weights(name));
        }

        Assert.AreEqual(264 / 4, blobs.Weights("w1").Concat(blobs.Weights("w2")).Count(w => w == 0));
        Assert.IsTrue(log.Diagnostics.All(d => d.Code == "MCB4020"), string.Join(' ', log.Diagnostics));
    }

    /// <summary>The same channels go, from weights that keep their type.</summary>
    [TestMethod]
    [DataRow(DataType.Float16)]
    [DataRow(DataType.BFloat16)]
    [DataRow(DataType.Double)]
    public void ChannelsOfOtherTypes_AreThoseOfBinary32(DataType type)
    {
        var results = new[] { DataType.Float, type }.Select(t =>
        {
            using var blobs = new Blobs(type: t, grid: type);
            using var runner = blobs.Runner();
            var log = new PassLog();
            new RemoveChannels([new GradientChannelScorer(PruningCriterion.Taylor, runner, log)]).Run(blobs.Model, new CompressionSettings(Stability with { Pruning = PruningCriterion.Taylor, Sparsity = 0.5, ChannelMultiple = 1, PruningPattern = new(PruningPatternKind.Channel) }), log);
            Assert.AreEqual(t, blobs.Model.Graph.Initializers.Single(i => i.Name == "w1").Initializer!.DataType);
            return (First: blobs.Weights("w1"), Second: blobs.Weights("w2"));
        }).ToArray();

        Assert.HasCount(8 * 12, results[1].First);
        CollectionAssert.AreEqual(results[0].First, results[1].First);
        CollectionAssert.AreEqual(results[0].Second, results[1].Second);
    }

    [TestMethod]
    public void UnusableData_IsRefused()
    {
        using var unlabelled = new Blobs(labels: false);
        Assert.AreEqual("MCB3020", Assert.ThrowsExactly<DiagnosticException>(() => Run(unlabelled, Stability with { Sparsity = 0.5 })).Diagnostic.Code);
        using var one = new Blobs(samples: 1);
        Assert.AreEqual("MCB3021", Assert.ThrowsExactly<DiagnosticException>(() => Run(one, Stability with { Sparsity = 0.5 })).Diagnostic.Code);
        using var few = new Blobs(samples: 9);
        Assert.AreEqual("MCB3021", Assert.ThrowsExactly<DiagnosticException>(() => Run(few, Stability with { Sparsity = 0.5, GradientIterations = 10 })).Diagnostic.Code);
    }

    [TestMethod]
    public void NaNWeights_AreReported()
    {
        using var blobs = new Blobs();
        var bias = blobs.Model.Graph.Initializers.Single(i => i.Name == "b1");
        blobs.Model.Graph.SetInitializer(bias, ModelCompression.Onnx.Tensors.Tensor.Float([24], [.. Enumerable.Repeat(float.NaN, 24)]));
        AssertNotFinite(blobs, "In mini-batch 0 the loss is not a finite number for samples ", " and 27 more of train.npz, together and alone. Check the model's weights");
    }

    /// <summary>Samples are named by their numbers in the file, whichever mini-batch they are in.</summary>
    [TestMethod]
    [DataRow(PruningPatternKind.Unstructured)]
    [DataRow(PruningPatternKind.Channel)]
    public void NaNInTheData_IsReportedWithItsSample(PruningPatternKind kind)
    {
        using var one = new Blobs(samples: 64, spoilt: (50, float.NaN));
        AssertNotFinite(one, " the loss is not a finite number because of sample 50 of train.npz, with NaN or an infinity in input 'x'. Clean the data", kind: kind);
        // A fixed batch is a feed of its own.
        using var batches = new Blobs(samples: 64, batch: 4, spoilt: [(50, float.NaN), (3, float.NaN)]);
        AssertNotFinite(batches, "because of batches 0, 12 of train.npz, with NaN", kind: kind);
    }

    /// <summary>x·∂y is beyond binary32 where x is its largest number.</summary>
    [TestMethod]
    public void GradientsThatOverflow_AreReportedWithTheirSamples()
    {
        using var one = new Blobs(samples: 64, spoilt: (49, float.MaxValue));
        foreach (string name in new[] { "w1", "b1" }) one.Model.Graph.SetInitializer(one.Model.Graph.Initializers.Single(i => i.Name == name), Tensor.Float(name == "w1" ? [8, 24] : [24], new float[name == "w1" ? 8 * 24 : 24]));
        one.Model.Graph.SetInitializer(one.Model.Graph.Initializers.Single(i => i.Name == "w2"), Tensor.Float([24, 3], [.. Enumerable.Repeat(0, 24).SelectMany(_ => new[] { 1000f, -1000f, 0f })]));
        AssertNotFinite(one, " the gradient of 'w1' is not a finite number because of sample 49 of train.npz, though the inputs are finite. Look for values out of the range");
    }

    [TestMethod]
    public void Result_DoesNotDependOnThreads()
    {
        float[][] results = [.. new[] { 1, 3 }.Select(threads =>
        {
            using var blobs = new Blobs();
            using var runner = blobs.Runner(threads);
            new PruneByGradient(runner).Run(blobs.Model, new CompressionSettings(Stability with { Sparsity = 0.6 }), new PassLog());
            return blobs.Weights("w1");
        })];
        CollectionAssert.AreEqual(results[0], results[1]);
    }

    private static void AssertNotFinite(Blobs blobs, string cause, string further = "", PruningPatternKind kind = PruningPatternKind.Unstructured)
    {
        using var runner = blobs.Runner();
        var options = Stability with { Sparsity = 0.5, PruningPattern = new(kind) };
        var log = new PassLog();
        ModelPass pass = kind == PruningPatternKind.Channel ? new RemoveChannels([new GradientChannelScorer(PruningCriterion.GradientStability, runner, log)]) : new PruneByGradient(runner);
        var diagnostic = Assert.ThrowsExactly<DiagnosticException>(() => pass.Run(blobs.Model, new CompressionSettings(options), log)).Diagnostic;
        Assert.AreEqual(("MCB4062", blobs.DataPath), (diagnostic.Code, diagnostic.File));
        Assert.Contains(cause, diagnostic.Message);
        Assert.Contains(further, diagnostic.Message);
    }

    private static PassLog Run(Blobs blobs, CompressionOptions options)
    {
        var log = new PassLog();
        using var runner = blobs.Runner();
        new PruneByGradient(runner).Run(blobs.Model, new CompressionSettings(options), log);
        return log;
    }

    /// <summary>|mean| and population deviation over the mini-batches, in binary64.</summary>
    private static double Median(IReadOnlyCollection<double> values) => values.Order().ElementAt(values.Count / 2);

    private static (double[] Means, double[] Deviations) Statistics(Blobs blobs, string name)
    {
        using var runner = blobs.Runner();
        var weight = blobs.Model.Graph.Initializers.Single(i => i.Name == name);
        using var session = runner.Open(blobs.Model, [weight], TrainingLoss.Labels);
        var batches = MiniBatches.ForStatistics(runner.FeedCount, null, 0, true)!;
        int length = (int)weight.Initializer!.ElementCount;
        double[] sums = new double[length], squares = new double[length];
        float[][] gradient = [new float[length]];
        foreach (int[] batch in batches)
        {
            session.Run(batch, gradient);
            for (int i = 0; i < length; i++)
            {
                sums[i] += gradient[0][i];
                squares[i] += (double)gradient[0][i] * gradient[0][i];
            }
        }

        double[] means = Array.ConvertAll(sums, s => s / batches.Count);
        return ([.. means.Select(Math.Abs)], [.. squares.Select((s, i) => Math.Sqrt(Math.Max(0, (s / batches.Count) - (means[i] * means[i]))))]);
    }
}
