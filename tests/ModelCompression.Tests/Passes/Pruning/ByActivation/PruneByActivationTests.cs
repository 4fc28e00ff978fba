using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Pruning;
using ModelCompression.Passes.Pruning.ByActivation;
using ModelCompression.Tests.Passes.Pruning.Channels;
using ModelCompression.Tests.Passes.Pruning.Refitting;

namespace ModelCompression.Tests.Passes.Pruning.ByActivation;

[TestClass]
public sealed class PruneByActivationTests
{
    private static readonly CompressionOptions Wanda = new() { Pruning = PruningCriterion.Wanda, Sparsity = 0.5, Compensation = Compensation.None };

    [TestMethod]
    public void Wanda_RemovesTheLowestProductsOfWeightAndInputNormInEachRow()
    {
        using var model = ScaledInput(out var factors);
        var before = Weight(model, "matrix");
        Run(model, Wanda, 200);
        var after = Weight(model, "matrix");
        for (int row = 0; row < 16; row++)
        {
            // 200 samples of three rows: the norm of a column is known to 1/√(2·600) = 3 %; factors differ by 20 %, weights are continuous.
            var order = Enumerable.Range(0, 12).OrderBy(i => Math.Abs(before[(row * 12) + i]) * factors[i]).ToList();
            int wrong = order.Take(6).Count(i => after[(row * 12) + i] != 0);
            Assert.AreEqual(6, Enumerable.Range(0, 12).Count(i => after[(row * 12) + i] == 0));
            Assert.IsLessThanOrEqualTo(1, wrong, $"row {row}");
            for (int i = 0; i < 12; i++)
                if (after[(row * 12) + i] != 0) Assert.AreEqual(before[(row * 12) + i], after[(row * 12) + i]);
        }
    }

    [TestMethod]
    [DataRow(PruningCriterion.Wanda, Compensation.None), DataRow(PruningCriterion.Wanda, null), DataRow(PruningCriterion.SparseGpt, Compensation.None), DataRow(PruningCriterion.SparseGpt, null)]
    public void NOfM_HoldsAlongTheReductionAxis(PruningCriterion criterion, Compensation? compensation)
    {
        using var model = SmallNet.Create();
        Run(model, new() { Pruning = criterion, PruningPattern = new(PruningPatternKind.NOfM, 2, 4), Compensation = compensation });
        AssertNOfM(Weight(model, "filters"), 16, 8, 9);
        AssertNOfM(Weight(model, "matrix"), 64, 256, 1);
    }

    [TestMethod]
    [DataRow(PruningCriterion.Wanda), DataRow(PruningCriterion.SparseGpt)]
    public void Refit_KeepsTheZerosAndLowersTheError(PruningCriterion criterion)
    {
        double plain = Error(Wanda with { Pruning = criterion, Sparsity = 0.7 }, out int zeros);
        double refitted = Error(Wanda with { Pruning = criterion, Sparsity = 0.7, Compensation = null }, out int zerosOfRefitted);
        Assert.AreEqual(zeros, zerosOfRefitted);
        Assert.AreEqual(0.7 * 1152, zeros, 16, "at most one element per row is rounded");
        // SparseGPT has updated the weights already; inputs here are hardly correlated, so that little is left to gain.
        Assert.IsLessThanOrEqualTo((criterion == PruningCriterion.Wanda ? 0.75 : 1.0) * plain, refitted);
    }

    [TestMethod]
    public void SparseGpt_WithCorrelatedInputs_LosesLessThanWandaWithoutUpdate()
    {
        var errors = new[] { PruningCriterion.Wanda, PruningCriterion.SparseGpt }.Select(criterion =>
        {
            using var original = CorrelatedInput();
            using var pruned = CorrelatedInput();
            Run(pruned, Wanda with { Pruning = criterion, ExcludeNodes = ["Gemm0"] });
            return Error(original, pruned);
        }).ToList();
        // 48 inputs that are mixtures of 12: the half that stays can say what the others said, but for the damping.
        Assert.IsLessThan(0.2 * errors[0], errors[1]);
    }

    [TestMethod]
    public void RecurrentWeights_AreRankedByMagnitudeWhichTheReportSays()
    {
        using var model = ChannelNets.All["LSTM both ways"]();
        var log = Run(model, Wanda);
        var records = log.Layers.Where(l => l.OpType == "LSTM").ToList();
        Assert.HasCount(2, records);
        foreach (var record in records)
        {
            StringAssert.Contains(record.Reason, "its inputs cannot be observed");
            Assert.AreEqual(0.5, record.Sparsity, 0.01);
        }
    }

    [TestMethod]
    public void CompensatePruning_OfMagnitude_LowersTheErrorAndKeepsItsZeros()
    {
        using var original = SmallNet.Create();
        using var plain = SmallNet.Create();
        using var compensated = SmallNet.Create();
        var options = new CompressionOptions { Pruning = PruningCriterion.Magnitude, Sparsity = 0.7, PruningScope = PruningScope.Layer };
        new PruneByMagnitude().Run(plain, new(options), new PassLog());
        var log = new PassLog();
        new CompensatePruning(new PruneByMagnitude(), NormalInputs.Calibrator(compensated, 200)).Run(compensated, new(options), log);

        foreach (string name in new[] { "filters", "matrix" })
            CollectionAssert.AreEqual(Weight(plain, name).Select(w => w == 0).ToArray(), Weight(compensated, name).Select(w => w == 0).ToArray());
        Assert.IsLessThan(0.75 * Error(original, plain), Error(original, compensated));
        Assert.IsTrue(log.Layers.All(l => l.Action.Contains("refitted by least squares", StringComparison.Ordinal)));
    }

    private static PassLog Run(Model model, CompressionOptions options, int samples = 200)
    {
        var log = new PassLog();
        new PruneByActivation(NormalInputs.Calibrator(model, samples)).Run(model, new(options), log);
        Assert.IsEmpty(GraphVerifier.Verify(model));
        return log;
    }

    private static double Error(CompressionOptions options, out int zeros)
    {
        using var original = SmallNet.Create();
        using var pruned = SmallNet.Create();
        Run(pruned, options);
        zeros = Weight(pruned, "filters").Count(w => w == 0);
        return Error(original, pruned);
    }

    private static double Error(Model original, Model pruned) =>
        Enumerable.Range(0, 8).Sum(seed => RandomRemoval.Run(original, seed)[0].Elements.Zip(RandomRemoval.Run(pruned, seed)[0].Elements, (a, b) => Math.Pow(a - b, 2)).Sum());

    /// <summary>A matrix product whose twelve inputs have norms from 1 to 7.4.</summary>
    private static Model ScaledInput(out double[] factors)
    {
        var net = new NetBuilder(17, 3, 12);
        factors = [.. Enumerable.Range(0, 12).Select(i => Math.Pow(1.2, i))];
        var scale = net.Model.Graph.AddInitializer("scale", Tensor.Float([12], [.. factors.Select(f => (float)f)]));
        var matrix = net.Model.Graph.AddInitializer("matrix", SmallNet.Weights(new Random(8), 1, 16, 12));
        return net.Return(net.Op("Gemm", [net.Op("Mul", [net.Input, scale]), matrix], NodeAttribute.Of("transB", 1)));
    }

    /// <summary>A matrix product with 48 inputs that are mixtures of twelve.</summary>
    private static Model CorrelatedInput()
    {
        var net = new NetBuilder(17, 3, 12);
        return net.Return(net.Gemm(net.Gemm(net.Input, 12, 48), 48, 16));
    }

    private static float[] Weight(Model model, string name)
    {
        model.Graph.Initializers.Single(i => i.Name == name).TryGetConstant(out var tensor);
        return tensor!.AsSpan<float>().ToArray();
    }

    private static void AssertNOfM(float[] weights, int outputs, int channels, int inner)
    {
        for (int o = 0; o < outputs; o++)
            for (int p = 0; p < inner; p++)
                for (int c = 0; c < channels; c += 4)
                    Assert.AreEqual(2, Enumerable.Range(c, 4).Count(i => weights[(((o * channels) + i) * inner) + p] == 0));
    }
}
