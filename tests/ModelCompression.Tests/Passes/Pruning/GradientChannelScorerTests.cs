using ModelCompression.Analysis.Channels;
using ModelCompression.Gradients;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Pruning.ByGradient;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Tests.Gradients;

namespace ModelCompression.Tests.Passes.Pruning;

[TestClass]
public sealed class GradientChannelScorerTests
{
    private static readonly CompressionOptions Stability = new() { Pruning = PruningCriterion.GradientStability, PruningPattern = new(PruningPatternKind.Channel, 0, 0) };

    [TestMethod]
    [DataRow(PruningCriterion.GradientStability)]
    [DataRow(PruningCriterion.Taylor)]
    public void Scores_AreStatisticsOfTheLossDifferenceThatAGateMakes(PruningCriterion criterion)
    {
        using var blobs = new Blobs();
        using var runner = blobs.Runner();
        double[] scores = Score(blobs, runner, criterion, Stability with { Pruning = criterion, Sparsity = 0.5 }, []).Values;
        double[][] gates = GateSlopes(blobs, runner);
        Assert.HasCount(24, scores);
        for (int u = 0; u < scores.Length; u++)
        {
            double mean = gates.Average(g => g[u]), square = gates.Average(g => g[u] * g[u]), deviation = Math.Sqrt(square - (mean * mean));
            double expected = criterion == PruningCriterion.Taylor ? Math.Sqrt(square) : Math.Max(Math.Abs(mean), deviation);
            // Central differences with h = 0.01 of losses with seven digits: 1e-7 / 0.02.
            Assert.AreEqual(expected, scores[u], 2e-5 + (1e-3 * expected));
        }
    }

    [TestMethod]
    public void Thresholds_MarkUnits_AndSayWhenAllOrNoneAreMeant()
    {
        using var blobs = new Blobs();
        using var runner = blobs.Runner();
        double[] all = Score(blobs, runner, PruningCriterion.GradientStability, Stability with { Sparsity = 0.5 }, []).Values;
        double limit = all.Order().ElementAt(12);
        var some = Score(blobs, runner, PruningCriterion.GradientStability, Stability with { GradientMeanThreshold = limit, GradientStdThreshold = limit }, []);
        CollectionAssert.AreEqual(all.Select(s => s <= limit).ToArray(), some.Removable);

        var warnings = new List<Diagnostic>();
        var none = Score(blobs, runner, PruningCriterion.GradientStability, Stability with { GradientMeanThreshold = 0, GradientStdThreshold = 0 }, warnings);
        Assert.IsFalse(none.Removable!.Contains(true));
        Assert.AreEqual("MCB4064", warnings.Single().Code);
        var e = Assert.ThrowsExactly<DiagnosticException>(() => Score(blobs, runner, PruningCriterion.GradientStability, Stability with { GradientMeanThreshold = 1e9, GradientStdThreshold = 1e9 }, []));
        Assert.AreEqual("MCB4065", e.Diagnostic.Code);
    }

    [TestMethod]
    public void LowestUnits_AreRemovedWithTheirEdges()
    {
        using var blobs = new Blobs();
        using var runner = blobs.Runner();
        double[] scores = Score(blobs, runner, PruningCriterion.GradientStability, Stability with { Sparsity = 0.5 }, []).Values;
        float[] before = blobs.Weights("w2");
        var options = Stability with { Sparsity = 0.5, ChannelMultiple = 1, PruningScope = PruningScope.Layer };
        new RemoveChannels([new GradientChannelScorer(PruningCriterion.GradientStability, runner, new PassLog())]).Run(blobs.Model, new CompressionSettings(options), new PassLog());
        int[] kept = [.. Enumerable.Range(0, 24).OrderBy(u => scores[u]).Skip(12).Order()];
        CollectionAssert.AreEqual(kept.SelectMany(u => before[(u * 3)..((u + 1) * 3)]).ToArray(), blobs.Weights("w2"));
        Assert.HasCount(8 * 12, blobs.Weights("w1"));
    }

    private static ChannelScores Score(Blobs blobs, IGradientSource source, PruningCriterion criterion, CompressionOptions options, List<Diagnostic> warnings)
    {
        var group = ChannelGroups.Find(blobs.Model).Groups.Single(g => g.UnitCount == 24);
        var log = new PassLog();
        var scores = new GradientChannelScorer(criterion, source, log).Score(blobs.Model, [new(group, options)], default).Single();
        warnings.AddRange(log.Diagnostics);
        Assert.HasCount(24, log.Gradients);
        return scores;
    }

    /// <summary>Per mini-batch and hidden unit, the slope of the loss in a factor on the weights that read the unit.</summary>
    private static double[][] GateSlopes(Blobs blobs, IGradientSource source)
    {
        const float step = 0.01f;
        float[] weights = blobs.Weights("w2");
        float[] original = [.. weights];
        using var session = source.Open(blobs.Model, [blobs.Model.Graph.Initializers.Single(i => i.Name == "w2")], TrainingLoss.Labels, [weights]);
        var slopes = new List<double[]>();
        foreach (int[] batch in MiniBatches.ForStatistics(source.FeedCount, null, 0, true)!)
        {
            var slope = new double[24];
            for (int u = 0; u < slope.Length; u++)
            {
                foreach (int sign in new[] { 1, -1 })
                {
                    for (int k = 3 * u; k < 3 * (u + 1); k++) weights[k] = original[k] * (1 + (sign * step));
                    slope[u] += sign * session.Run(batch, null) / (2 * step);
                    for (int k = 3 * u; k < 3 * (u + 1); k++) weights[k] = original[k];
                }
            }

            slopes.Add(slope);
        }

        return [.. slopes];
    }
}
