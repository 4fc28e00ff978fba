using ModelCompression.Data;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning;
using ModelCompression.Passes.Quantization;
using ModelCompression.Tests.Passes.Pruning;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.NBits;

/// <summary>Pruned weights in n bits: zeros stay zeros and take few bytes.</summary>
[TestClass]
public sealed class PrunedWeightsTests
{
    [TestMethod]
    [DataRow(QuantizationScheme.Codebook, QuantizationGranularity.Tensor)]
    [DataRow(QuantizationScheme.Codebook, QuantizationGranularity.Channel)]
    [DataRow(QuantizationScheme.Codebook, QuantizationGranularity.Block)]
    [DataRow(QuantizationScheme.Symmetric, QuantizationGranularity.Channel)]
    [DataRow(QuantizationScheme.PowerOfTwo, QuantizationGranularity.Tensor)]
    [DataRow(QuantizationScheme.Asymmetric, QuantizationGranularity.Block)]
    public void Zeros_StayZeros_AndSparseStorageComposes(QuantizationScheme scheme, QuantizationGranularity granularity)
    {
        foreach (long opset in new[] { 11L, 21L })
        {
            var original = Pruned(opset);
            var model = Pruned(opset);
            var options = new CompressionOptions { Quantization = QuantizationMode.WeightOnly, QuantizationFormat = QuantizationFormat.Folded, WeightBits = 4, QuantizationScheme = scheme, QuantizationGranularity = granularity };
            var log = model.Run(new QuantizeWeights(), options);
            float[] before = original.Graph.Nodes[0].Input(1)!.Initializer!.AsSpan<float>().ToArray();
            float[] after = Unpacked(model);
            for (int i = 0; i < before.Length; i++)
                if (before[i] == 0) Assert.AreEqual(0f, after[i], $"element {i}");
            Assert.IsLessThan(before.Length / 20, after.Zip(before).Count(p => p.First == 0 && p.Second != 0) - (scheme == QuantizationScheme.PowerOfTwo ? before.Length / 20 : 0));
            if (scheme == QuantizationScheme.Asymmetric) continue;
            Assert.IsTrue(log.Layers[0].Action.Contains("gaps", StringComparison.Ordinal) || log.Layers[0].Action.Contains("bitmask", StringComparison.Ordinal), log.Layers[0].Action);
            if (granularity == QuantizationGranularity.Block) continue;
            // A tenth of 36,000 weights with 4 bits and a distance of about as many: a good seventeenth of the floats.
            Assert.IsLessThan(before.Length * sizeof(float) / 17, log.Layers[0].CompressedBytes);
        }
    }

    /// <summary>Scales of a row's blocks are multiples of a common step, which no block of zeros must determine.</summary>
    [TestMethod]
    [DataRow(QuantizationScheme.Symmetric, 32)]
    [DataRow(QuantizationScheme.Symmetric, 128)]
    [DataRow(QuantizationScheme.Asymmetric, 32)]
    [DataRow(QuantizationScheme.Codebook, 32)]
    public void BlocksOfZeros_LeaveTheScalesOfOthersAlone(QuantizationScheme scheme, int block)
    {
        var options = new CompressionOptions { Quantization = QuantizationMode.WeightOnly, WeightBits = 4, QuantizationScheme = scheme, QuantizationGranularity = QuantizationGranularity.Block, BlockSize = block };
        // Asymmetric zero points have places behind the point only where no weight is 0; that is worth 0.8 dB here.
        Assert.AreEqual(Sqnr(zeroRows: 0), Sqnr(zeroRows: block), 1);
        Assert.AreEqual(double.PositiveInfinity, Sqnr(zeroRows: 1024));

        double Sqnr(int zeroRows)
        {
            var model = new TestModel(13);
            float[] elements = model.RandomTensor(1024, 16).AsSpan<float>().ToArray();
            // The step of such small weights is far below 1, the scale that a group of zeros has by convention.
            var weight = Tensor.Float([1024, 16], [.. elements.Select((e, i) => i < 16 * zeroRows ? 0 : e / 100)]);
            model.Output(model.Node("MatMul", [model.Input("x", 3, 1024), model.Constant("w", weight)]));
            float[] original = SmallNet.Run(model.Model);
            double? measured = model.Run(new QuantizeWeights(), options).Layers[0].SqnrDb;
            if (measured is not { } reported) return SmallNet.Run(model.Model).All(y => y == 0) ? double.PositiveInfinity : 0;
            // Errors of outputs are those of weights but for the chance of 48 numbers.
            Assert.AreEqual(reported, OutputSqnr.Of(original, SmallNet.Run(model.Model)), 4);
            return reported;
        }
    }

    private static TestModel Pruned(long opset)
    {
        var model = new TestModel(opset);
        model.Output(model.Node("Conv", [model.Input("x", 1, 40, 6, 6), model.Weight("w", 100, 40, 3, 3)]));
        model.Run(new PruneByMagnitude(), new() { Pruning = PruningCriterion.Magnitude, Sparsity = 0.9 });
        return model;
    }

    /// <summary>What ONNX Runtime makes of the stored weight.</summary>
    private static float[] Unpacked(TestModel model)
    {
        var weight = model.Graph.Nodes.Single(n => n.OpType == "Conv").Input(1)!;
        weight.Type = new TensorType(DataType.Float, null);
        model.Graph.AddOutput(weight);
        using var session = Equivalence.Open(OnnxWriter.ToBytes(model.Model));
        var outputs = Equivalence.RunFirstThatWorks(session, ModelCompression.Runtime.SyntheticInputs.For(model.Model, seed: 1), out _);
        Assert.IsNotNull(outputs);
        return ((TensorValue)outputs[1].Value).Tensor.AsSpan<float>().ToArray();
    }
}
