using ModelCompression.Gradients;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Simplification;
using ModelCompression.Passes.Training;
using ModelCompression.Tests.Gradients;

namespace ModelCompression.Tests.Passes.Training;

[TestClass]
public sealed class FineTuneWeightsTests
{
    private static readonly CompressionOptions Options = new() { FineTuneEpochs = 15, LearningRate = 0.01 };

    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(4)]
    public void Labels_AreLearnt_WhateverTheBatchAxis(long batch)
    {
        using var blobs = new Blobs(batch: batch);
        double before = Loss(blobs);
        var log = Run(blobs, Options);
        Assert.IsLessThan(0.25 * before, Loss(blobs));
        Assert.HasCount(17, log.Edits);
        Assert.IsTrue(log.Edits.All(e => e.Applied));
    }

    [TestMethod]
    public void Zeros_Stay()
    {
        using var blobs = new Blobs();
        float[] weights = blobs.Weights("w1");
        for (int i = 0; i < weights.Length; i += 3) weights[i] = 0;
        Set(blobs, "w1", [8, 24], weights);
        Run(blobs, Options);
        float[] after = blobs.Weights("w1");
        Assert.AreEqual(64, after.Count(w => w == 0));
        for (int i = 0; i < after.Length; i += 3) Assert.AreEqual(0, after[i]);
        CollectionAssert.AreNotEqual(weights, after);
    }

    [TestMethod]
    public void Distillation_GoesBackToTheOriginal()
    {
        using var blobs = new Blobs(labels: false);
        float[] original = blobs.Weights("w2");
        Set(blobs, "w2", [24, 3], [.. original.Select((w, i) => w + (0.3f * MathF.Sin(i)))]);
        double before = Loss(blobs, TrainingLoss.Distillation);
        Assert.IsGreaterThan(0.01, before);
        var log = Run(blobs, Options);
        Assert.IsLessThan(0.1 * before, Loss(blobs, TrainingLoss.Distillation));
        StringAssert.StartsWith(log.Edits[0].Reason, "Distillation");
    }

    /// <summary>Trained in binary32, rounded at the end.</summary>
    [TestMethod]
    [DataRow(DataType.Float16)]
    [DataRow(DataType.BFloat16)]
    [DataRow(DataType.Double)]
    public void WeightsOfOtherTypes_AreTrainedAsInBinary32(DataType type)
    {
        using var twin = new Blobs(grid: type);
        Run(twin, Options);
        using var blobs = new Blobs(type: type);
        double before = Loss(blobs);
        var log = Run(blobs, Options);

        Assert.IsEmpty(log.Diagnostics);
        Assert.IsLessThan(0.25 * before, Loss(blobs));
        foreach (string name in new[] { "w1", "b1", "w2", "b2" })
        {
            var tensor = blobs.Model.Graph.Initializers.Single(i => i.Name == name).Initializer!;
            Assert.AreEqual(type, tensor.DataType);
            var rounded = FloatingPointData.Write(type, tensor.Dims, Array.ConvertAll(twin.Weights(name), w => (double)w));
            CollectionAssert.AreEqual(FloatElements.AsFloat(rounded).AsSpan<float>().ToArray(), blobs.Weights(name));
        }
    }

    /// <summary>The original's outputs, which are learnt, have its type, too.</summary>
    [TestMethod]
    [DataRow(DataType.Float16)]
    [DataRow(DataType.Double)]
    public void WeightsOfOtherTypes_AreDistilled(DataType type)
    {
        using var blobs = new Blobs(labels: false, type: type);
        var second = blobs.Model.Graph.Initializers.Single(i => i.Name == "w2");
        blobs.Model.Graph.SetInitializer(second, FloatingPointData.Write(type, [24, 3], [.. blobs.Weights("w2").Select((w, i) => w + (0.3 * Math.Sin(i)))]));
        double before = Loss(blobs, TrainingLoss.Distillation);
        Run(blobs, Options);
        Assert.IsLessThan(0.1 * before, Loss(blobs, TrainingLoss.Distillation));
    }

    /// <summary>Binary16 ends at 65504.</summary>
    [TestMethod]
    public void TrainedWeights_StayInTheRangeOfTheirType()
    {
        var half = FineTuneWeights.Rounded(Tensor.Create(DataType.Float16, [3], new Half[3]), [65519.9f, -1e6f, 0.1f]);
        CollectionAssert.AreEqual(new[] { (Half)65504, (Half)(-65504), (Half)0.1f }, half.AsSpan<Half>().ToArray());
        CollectionAssert.AreEqual(new[] { (double)0.1f }, FineTuneWeights.Rounded(Tensor.Create(DataType.Double, [1], new double[1]), [0.1f]).AsSpan<double>().ToArray());
    }

    [TestMethod]
    public void ExplodingLoss_KeepsTheBestAndWarns()
    {
        using var blobs = new Blobs();
        var log = Run(blobs, Options with { LearningRate = 1e6 });
        Assert.AreEqual("MCB4063", log.Diagnostics.Single().Code);
        Assert.IsTrue(double.IsFinite(Loss(blobs)));
    }

    [TestMethod]
    public void UselessTraining_KeepsTheWeightsAndWarns()
    {
        using var blobs = new Blobs();
        Run(blobs, Options with { FineTuneEpochs = 60 });
        float[] best = blobs.Weights("w1");
        var log = Run(blobs, Options with { FineTuneEpochs = 1, LearningRate = 0.2 });
        if (log.Diagnostics.Count == 0) Assert.Inconclusive("This step has helped.");
        Assert.IsTrue(log.Diagnostics.Single().Code is "MCB4066" or "MCB4063");
        CollectionAssert.AreEqual(best, blobs.Weights("w1"));
    }

    [TestMethod]
    public void ExcludedLayers_AreNotTrained()
    {
        using var blobs = new Blobs();
        float[] before = blobs.Weights("w1"), second = blobs.Weights("w2");
        Run(blobs, Options with { ExcludeNodes = ["first"] });
        CollectionAssert.AreEqual(before, blobs.Weights("w1"));
        CollectionAssert.AreNotEqual(second, blobs.Weights("w2"));
    }

    [TestMethod]
    public void Result_DependsOnTheSeedOnly()
    {
        float[] Train(int threads, int seed)
        {
            using var blobs = new Blobs();
            using var runner = blobs.Runner(threads);
            new FineTuneWeights(runner).Run(blobs.Model, new CompressionSettings(Options with { FineTuneEpochs = 2, Seed = seed }), new PassLog());
            return blobs.Weights("w1");
        }

        float[] one = Train(1, 5);
        CollectionAssert.AreEqual(one, Train(4, 5));
        CollectionAssert.AreNotEqual(one, Train(4, 6));
    }

    [TestMethod]
    public void NothingInScope_IsSaid()
    {
        using var blobs = new Blobs();
        Assert.AreEqual("MCB4067", Run(blobs, Options with { ExcludeOpTypes = ["Gemm"] }).Diagnostics.Single().Code);
    }

    [TestMethod]
    public void Progress_TellsEpochsStepsAndLosses()
    {
        using var blobs = new Blobs();
        using var runner = blobs.Runner();
        var told = new List<(string Stage, int Done, int Total)>();
        var log = new PassLog { OnProgress = (stage, done, total) => told.Add((stage, done, total)) };
        new FineTuneWeights(runner).Run(blobs.Model, new CompressionSettings(Options with { FineTuneEpochs = 2 }), log);
        // 270 samples in steps of 64.
        CollectionAssert.AreEqual(new[] { 1, 2, 3, 4, 5, 1, 2, 3, 4, 5 }, told.Select(t => t.Done).ToArray());
        Assert.IsTrue(told.All(t => t.Total == 5));
        StringAssert.StartsWith(told[5].Stage, "fine-tuning, epoch 2 of 2, loss ");
    }

    [TestMethod]
    public void MissingLabels_AreReported()
    {
        using var blobs = new Blobs(labels: false);
        var e = Assert.ThrowsExactly<DiagnosticException>(() => Run(blobs, Options with { FineTuneLoss = FineTuneLoss.Labels }));
        Assert.AreEqual("MCB3020", e.Diagnostic.Code);
    }

    private static PassLog Run(Blobs blobs, CompressionOptions options)
    {
        var log = new PassLog();
        using var runner = blobs.Runner();
        new FineTuneWeights(runner).Run(blobs.Model, new CompressionSettings(options), log);
        return log;
    }

    private static void Set(Blobs blobs, string name, long[] dims, float[] values) =>
        blobs.Model.Graph.SetInitializer(blobs.Model.Graph.Initializers.Single(i => i.Name == name), Tensor.Float(dims, values));

    private static double Loss(Blobs blobs, TrainingLoss loss = TrainingLoss.Labels)
    {
        using var runner = blobs.Runner();
        using var session = runner.Open(blobs.Model, [blobs.Model.Graph.Initializers.Single(i => i.Name == "w2")], loss);
        return session.Run([.. Enumerable.Range(0, runner.FeedCount)], null);
    }
}
