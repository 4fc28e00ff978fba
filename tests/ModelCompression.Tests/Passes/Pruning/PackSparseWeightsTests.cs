using Microsoft.ML.OnnxRuntime;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Float16;
using ModelCompression.Passes.Pruning;

namespace ModelCompression.Tests.Passes.Pruning;

[TestClass]
public sealed class PackSparseWeightsTests
{
    [TestMethod]
    [DataRow(0.5, SparseStorage.Gaps, 0.60)]
    [DataRow(0.5, SparseStorage.Bitmask, 0.58)]
    [DataRow(0.5, SparseStorage.Auto, 0.58)]
    [DataRow(0.9, SparseStorage.Gaps, 0.17)]
    [DataRow(0.9, SparseStorage.Bitmask, 0.18)]
    [DataRow(0.9, SparseStorage.Auto, 0.17)]
    public void PrunedModel_IsSmallerAndGivesTheSameOutputs(double sparsity, SparseStorage storage, double maxRatio)
    {
        foreach (long opset in new[] { 9L, 11L, 13L, 17L, 21L })
        {
            using var pruned = Pruned(sparsity, storage, opset);
            using var packed = Pruned(sparsity, storage, opset);
            var log = Pack(packed, storage);
            double ratio = OnnxWriter.ToBytes(packed).Length / (double)OnnxWriter.ToBytes(pruned).Length;
            Assert.IsLessThan(maxRatio, ratio, $"opset {opset}");
            CollectionAssert.AreEqual(SmallNet.Run(pruned), SmallNet.Run(packed));
            AssertEqualButForSummationOrder(SmallNet.Run(pruned, GraphOptimizationLevel.ORT_DISABLE_ALL), SmallNet.Run(packed, GraphOptimizationLevel.ORT_DISABLE_ALL));
            var record = log.Layers.Single(l => l.Weight == "matrix");
            StringAssert.Contains(record.Action, storage == SparseStorage.Gaps ? "stored as gaps" : "stored as ");
            Assert.AreEqual(64 * 256 * 4, record.OriginalBytes);
        }
    }

    [TestMethod]
    [DataRow(SparseStorage.Gaps, 0.13)]
    [DataRow(SparseStorage.Bitmask, 0.14)]
    [DataRow(SparseStorage.Auto, 0.13)]
    public void WeightsRoundedToBinary16_ArePackedInFrontOfTheirCasts(SparseStorage storage, double maxRatio)
    {
        foreach (long opset in new[] { 9L, 13L, 21L })
        {
            using var pruned = Pruned(0.9, storage, opset);
            long floats = OnnxWriter.ToBytes(pruned).Length;
            var log = Rounded(pruned);
            float[] expected = SmallNet.Run(pruned);
            Pack(pruned, storage, log);
            Assert.IsLessThan(maxRatio, OnnxWriter.ToBytes(pruned).Length / (double)floats, $"opset {opset}");
            CollectionAssert.AreEqual(expected, SmallNet.Run(pruned));
            var record = log.Layers.Single(l => l.Weight == "matrix");
            Assert.AreEqual(("gemm", 64 * 256 * 4L, 16), (record.Node, record.OriginalBytes, record.Bits));
            StringAssert.Contains(record.Action, "stored as float16, folded, stored as ");
        }
    }

    [TestMethod]
    public void ExcludedOperatorBehindACast_KeepsItsWeightDense()
    {
        using var model = Pruned(0.9, SparseStorage.Auto, 13);
        Rounded(model);
        long before = OnnxWriter.ToBytes(model).Length;
        new PackSparseWeights().Run(model, new CompressionSettings(new CompressionOptions { ExcludeOpTypes = ["Gemm", "Conv"] }), new PassLog());
        Assert.AreEqual(before, OnnxWriter.ToBytes(model).Length);
    }

    [TestMethod]
    public void Dense_LeavesTheModelAlone()
    {
        using var model = Pruned(0.9, SparseStorage.Dense, 13);
        byte[] before = OnnxWriter.ToBytes(model);
        Pack(model, SparseStorage.Dense);
        CollectionAssert.AreEqual(before, OnnxWriter.ToBytes(model));
    }

    [TestMethod]
    public void FewZeros_StayDenseWithAReason()
    {
        using var model = Pruned(0.01, SparseStorage.Auto, 13);
        var log = Pack(model, SparseStorage.Gaps);
        Assert.IsTrue(log.Edits.All(e => !e.Applied));
        StringAssert.Contains(log.Layers.Single(l => l.Weight == "matrix").Reason, "too few to gain");
    }

    [TestMethod]
    public void OldOpset_StaysDenseWithAReason()
    {
        using var model = Pruned(0.9, SparseStorage.Gaps, 8);
        var log = Pack(model, SparseStorage.Gaps);
        StringAssert.Contains(log.Layers.Single(l => l.Weight == "matrix").Reason, "opset 8 cannot");
        Assert.IsNotEmpty(SmallNet.Run(model));
    }

    [TestMethod]
    public void IrVersion3_KeepsConstantsInNodes()
    {
        using var model = Pruned(0.9, SparseStorage.Auto, 11);
        model.IrVersion = 3;
        using var reference = Pruned(0.9, SparseStorage.Auto, 11);
        Pack(model, SparseStorage.Auto);
        Assert.HasCount(1, model.Graph.Initializers, "Only the bias is left.");
        CollectionAssert.AreEqual(SmallNet.Run(reference), SmallNet.Run(model));
    }

    [TestMethod]
    public void SharedWeight_IsUnpackedOnce()
    {
        using var model = Pruned(0.9, SparseStorage.Auto, 13);
        var graph = model.Graph;
        var gemm = graph.Nodes.Single(n => n.OpType == "Gemm");
        var second = graph.AddNode("Gemm", gemm.Inputs, ["z"], gemm.Attributes, name: "gemm2");
        second.Outputs[0]!.Type = gemm.Outputs[0]!.Type;
        graph.AddOutput(second.Outputs[0]!);
        Pack(model, SparseStorage.Auto);
        Assert.AreSame(gemm.Inputs[1], second.Inputs[1]);
        Assert.HasCount(2, graph.Nodes.Where(n => n.OpType is "ScatterElements"));
        Assert.IsEmpty(GraphVerifier.Verify(model));
        Assert.HasCount(64, SmallNet.Run(model));
    }

    [TestMethod]
    public void Result_IsTheSameEveryTime()
    {
        var results = new List<byte[]>();
        foreach (int _ in Enumerable.Range(0, 3))
        {
            using var model = Pruned(0.8, SparseStorage.Auto, 13);
            Pack(model, SparseStorage.Auto);
            results.Add(OnnxWriter.ToBytes(model));
        }

        CollectionAssert.AreEqual(results[0], results[1]);
        CollectionAssert.AreEqual(results[0], results[2]);
    }

    /// <summary>A weight that is no constant is not prepacked, so Gemm adds its 256 products in another order: each sum is off by 256 · 2^-24 · ‖w‖ · ‖x‖ at most, of norms below 1 and 32 here.</summary>
    private static void AssertEqualButForSummationOrder(float[] expected, float[] actual)
    {
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], 2 * 256 * MathF.Pow(2, -24) * 32);
    }

    private static Model Pruned(double sparsity, SparseStorage storage, long opset)
    {
        var model = SmallNet.Create(opset, opset >= 21 ? 10 : 7);
        var options = new CompressionOptions { Pruning = PruningCriterion.Magnitude, Sparsity = sparsity, SparseStorage = storage, PruningScope = PruningScope.Layer };
        new PruneByMagnitude().Run(model, new CompressionSettings(options), new PassLog());
        return model;
    }

    private static PassLog Rounded(Model model)
    {
        var log = new PassLog();
        new ConvertToFloat16().Run(model, new CompressionSettings(new CompressionOptions { Quantization = QuantizationMode.Float16 }), log);
        return log;
    }

    private static PassLog Pack(Model model, SparseStorage storage, PassLog? log = null)
    {
        log ??= new PassLog();
        new PackSparseWeights().Run(model, new CompressionSettings(new CompressionOptions { SparseStorage = storage }), log);
        return log;
    }
}
