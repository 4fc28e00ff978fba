using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Tests.Passes.Pruning.Channels;
using ModelCompression.Tests.Statistics;

namespace ModelCompression.Tests.Passes.Pruning.Refitting;

[TestClass]
public sealed class LeastSquaresRefitTests
{
    private static readonly CompressionOptions Half = new() { Pruning = PruningCriterion.Magnitude, PruningPattern = new(PruningPatternKind.Channel), Sparsity = 0.5, PruningScope = PruningScope.Layer, ChannelMultiple = 1 };

    public static IEnumerable<object[]> Nets => ChannelNets.All.Keys.Except(["captured by subgraphs"]).Select(n => new object[] { n });

    [TestMethod]
    [DynamicData(nameof(Nets))]
    public void Refit_IsNotWorseThanPlainRemoval(string net)
    {
        double plain = Error(net, Half with { Compensation = Compensation.None });
        double refitted = Error(net, Half);
        // The refit is fitted to 64 samples and judged on others; a hundredth is left for what it cannot know.
        Assert.IsLessThanOrEqualTo(1.01 * plain, refitted, $"{plain} -> {refitted}");
    }

    [TestMethod]
    [DataRow("plain"), DataRow("residual"), DataRow("flattened picture"), DataRow("squeeze and excite"), DataRow("transposed convolution")]
    public void Refit_ImprovesClearly(string net)
    {
        double plain = Error(net, Half with { Compensation = Compensation.None });
        double refitted = Error(net, Half);
        Assert.IsLessThan(0.8 * plain, refitted, $"{plain} -> {refitted}");
    }

    [TestMethod]
    [DataRow(false), DataRow(true)]
    public void ChannelsThatAreCombinationsOfOthers_AreMadeUpForExactly(bool conv)
    {
        using var model = Redundant(conv);
        using var cut = Redundant(conv);
        var log = Run(cut, Half);
        var expected = RandomRemoval.Run(model)[0].Elements;
        var actual = RandomRemoval.Run(cut)[0].Elements;
        double scale = expected.Max(Math.Abs);
        // The smallest ridge, 1e-4 of the mean square, shrinks what is added by about as much.
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], 2e-3 * scale);
        StringAssert.Contains(log.Layers.Single(l => l.Weight == "reader").Action, "refitted by least squares");
    }

    [TestMethod]
    public void Result_DoesNotDependOnTheNumberOfThreads()
    {
        byte[][] results = [.. new[] { 1, 2, 5 }.Select(threads =>
        {
            using var model = ChannelNets.All["residual"]();
            Run(model, Half, threads);
            return OnnxWriter.ToBytes(model);
        })];
        CollectionAssert.AreEqual(results[0], results[1]);
        CollectionAssert.AreEqual(results[0], results[2]);
    }

    [TestMethod]
    public void CancelledOnceInputsAreKnown_FitsNothing()
    {
        using var cut = Redundant(conv: false);
        using var stop = new CancellationTokenSource();
        var pass = new RemoveChannels([new MagnitudeChannelScorer()], new StoppingSource(NormalInputs.Calibrator(cut), stop), cancellation: stop.Token);
        Assert.Throws<OperationCanceledException>(() => pass.Run(cut, new(Half), new PassLog()));
    }

    [TestMethod]
    public void CompensationNone_LeavesWeightsAsCut()
    {
        using var model = ChannelNets.All["plain"]();
        var log = Run(model, Half with { Compensation = Compensation.None });
        Assert.IsTrue(log.Layers.Any(l => l.Action.Contains("removed", StringComparison.Ordinal)));
        Assert.IsFalse(log.Layers.Any(l => l.Action.Contains("refitted", StringComparison.Ordinal)));
    }

    private static double Error(string net, CompressionOptions options)
    {
        using var model = ChannelNets.All[net]();
        using var cut = ChannelNets.All[net]();
        Run(cut, options);
        double error = 0, energy = 0;
        for (int seed = 0; seed < 8; seed++)
            foreach (var (expected, actual) in RandomRemoval.Run(model, seed).Zip(RandomRemoval.Run(cut, seed)))
                for (int i = 0; i < expected.Elements.Length; i++)
                {
                    error += Math.Pow(expected.Elements[i] - actual.Elements[i], 2);
                    energy += Math.Pow(expected.Elements[i], 2);
                }

        return error / energy;
    }

    private static PassLog Run(Model model, CompressionOptions options, int threads = 2)
    {
        var log = new PassLog();
        new RemoveChannels([new MagnitudeChannelScorer()], new ModelCompression.Runtime.Calibration.Calibrator(new NormalInputs(model, 64), 64, threads)).Run(model, new(options), log);
        return log;
    }

    /// <summary>Eight channels, and eight more that are small combinations of them: those go.</summary>
    private static Model Redundant(bool conv)
    {
        var net = conv ? new NetBuilder(17, 1, 3, 8, 8) : new NetBuilder(17, 1, 27);
        int inputs = 27;
        var basis = SmallNet.Weights(new Random(3), 0.3, 8, inputs).AsSpan<float>().ToArray();
        var mix = SmallNet.Weights(new Random(4), 0.05, 8, 8).AsSpan<float>().ToArray();
        var all = new float[16 * inputs];
        basis.CopyTo(all, 0);
        for (int row = 0; row < 8; row++)
            for (int b = 0; b < 8; b++)
                for (int i = 0; i < inputs; i++) all[((8 + row) * inputs) + i] += mix[(row * 8) + b] * basis[(b * inputs) + i];
        var graph = net.Model.Graph;
        if (conv)
        {
            var maker = graph.AddInitializer("maker", Tensor.Float([16, 3, 3, 3], all));
            var hidden = net.Op("Conv", [net.Input, maker], NodeAttribute.Of("pads", [1, 1, 1, 1]));
            var reader = graph.AddInitializer("reader", SmallNet.Weights(new Random(5), 0.2, 4, 16, 3, 3));
            return net.Return(net.Op("Conv", [hidden, reader, net.Weights("b", 4)]));
        }

        var made = net.Op("Gemm", [net.Input, graph.AddInitializer("maker", Tensor.Float([16, inputs], all))], NodeAttribute.Of("transB", 1));
        return net.Return(net.Op("MatMul", [made, graph.AddInitializer("reader", SmallNet.Weights(new Random(5), 0.2, 16, 4))]));
    }
}
