using System.Numerics.Tensors;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Float16;
using ModelCompression.Passes.Pruning;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Simplification;
using ModelCompression.Tests.Passes.Pruning;
using ModelCompression.Tests.Passes.Simplification;
using Tensor = ModelCompression.Onnx.Tensors.Tensor;

namespace ModelCompression.Tests.Passes.Float16;

/// <summary>Weights that a file holds in two bytes per element behind a Cast.</summary>
[TestClass]
public sealed class WidenStoredWeightsTests
{
    [TestMethod]
    [DataRow(DataType.Float16)]
    [DataRow(DataType.BFloat16)]
    public void StoredWeight_IsQuantizedLikeTheSameFloats(DataType type)
    {
        var stored = Product(type);
        var plain = Product(type);
        new WidenStoredWeights().Run(plain.Model, Settings(new()), new());
        foreach (var value in plain.Graph.Initializers.ToArray()) value.SetConstant(Tensor.Float(value.Initializer!.Dims, value.Initializer.AsSpan<float>().ToArray()));
        float[] original = SmallNet.Run(stored.Model);

        stored.Run(new WidenStoredWeights());
        var options = new CompressionOptions { Quantization = QuantizationMode.WeightOnly, QuantizationFormat = QuantizationFormat.Folded };
        var log = stored.Run(new QuantizeWeights(), options);
        plain.Run(new QuantizeWeights(), options);

        var layer = log.Layers.Single(l => l.Weight.StartsWith('w'));
        Assert.AreEqual("weight-only int8 per channel, folded", layer.Action);
        Assert.AreEqual(2 * 64 * 80, layer.OriginalBytes);
        Assert.AreEqual("node_MatMul", layer.Node);
        float[] quantized = SmallNet.Run(stored.Model);
        CollectionAssert.AreEqual(SmallNet.Run(plain.Model), quantized);
        // Rounding to 127 steps of weights in [−1, 1]: 20·log10(127·√12/√3) = 48 dB.
        Assert.IsGreaterThan(45, OutputSqnr.Of(original, quantized));
    }

    [TestMethod]
    [DataRow(DataType.Float16)]
    [DataRow(DataType.BFloat16)]
    public void WeightThatNobodyChanges_GetsBackWhatWasStored(DataType type)
    {
        var model = Product(type);
        byte[] bytes = OnnxWriter.ToBytes(model.Model);
        byte[] weight = model.Graph.Initializers[0].Initializer!.AsSpan<byte>().ToArray();
        var widened = new WidenStoredWeights();

        model.Run(widened);
        Assert.IsTrue(model.Graph.Initializers.All(i => i.Initializer!.DataType == DataType.Float) && !model.OpTypes().Contains("Cast"));
        model.Run(new NarrowStoredWeights(widened));

        Assert.AreEqual(type, model.Graph.Initializers[0].Initializer!.DataType);
        CollectionAssert.AreEqual(weight, model.Graph.Initializers[0].Initializer!.AsSpan<byte>().ToArray());
        Assert.IsLessThanOrEqualTo(bytes.Length, OnnxWriter.ToBytes(model.Model).Length);
    }

    [TestMethod]
    [DataRow(DataType.Float16)]
    [DataRow(DataType.BFloat16)]
    public void WeightThatFoldingChanges_IsRoundedToBinary16(DataType type)
    {
        var model = new TestModel(13);
        var conv = model.Node("Conv", [model.Input("x", 1, 8, 9, 9), Stored(model, type, 24, 8, 3, 3)]);
        model.Output(model.Node("BatchNormalization", [conv, model.Positive("s", 24), model.Weight("b", 24), model.Weight("m", 24), model.Positive("v", 24)]));
        float[] original = SmallNet.Run(model.Model);
        long before = OnnxWriter.ToBytes(model.Model).Length;
        var widened = new WidenStoredWeights();

        model.Run(widened);
        new SimplificationPipeline().Run(model.Model, Settings(new()), new());
        model.Run(new NarrowStoredWeights(widened));

        CollectionAssert.DoesNotContain(model.OpTypes(), "BatchNormalization");
        Assert.IsTrue(model.Graph.Initializers.Any(i => i.Initializer is { DataType: DataType.Float16, Rank: 4 }));
        Assert.IsLessThan(before, OnnxWriter.ToBytes(model.Model).Length);
        // Each weight is off by 2⁻¹² of itself at most, uniformly: 20·log10(2¹²·√3) = 77 dB and better, as most mantissas are larger than 1.
        Assert.IsGreaterThan(70, OutputSqnr.Of(original, SmallNet.Run(model.Model)));
    }

    [TestMethod]
    public void PrunedWeight_IsStoredInLessThanTwoBytesPerElement_BitForBit()
    {
        var model = Product(DataType.Float16);
        var options = new CompressionOptions { Pruning = PruningCriterion.Magnitude, Sparsity = 0.5, Quantization = QuantizationMode.None };
        var widened = new WidenStoredWeights();
        model.Run(widened);
        model.Run(new PruneByMagnitude(), options);
        float[] dense = SmallNet.Run(model.Model);

        var log = new ModelCompression.Passes.PassLog();
        new PackSparseWeights(widened).Run(model.Model, Settings(options), log);
        new NarrowStoredWeights(widened).Run(model.Model, Settings(options), log);

        CollectionAssert.AreEqual(dense, SmallNet.Run(model.Model));
        Assert.IsLessThan((1.2 * 64 * 80) + 1000, OnnxWriter.ToBytes(model.Model).Length);
    }

    [TestMethod]
    public void ScalesOfOtherConstants_AndOverridableInputs_StayAsTheyAre()
    {
        var packed = new TestModel(13);
        packed.Output(packed.Node("MatMul", [packed.Input("x", 3, 96), packed.Weight("w", 96, 40)]));
        packed.Run(new QuantizeWeights(), new() { Quantization = QuantizationMode.WeightOnly, QuantizationFormat = QuantizationFormat.MatMulNBits, WeightBits = 4, BlockSize = 16 });
        var folded = new TestModel(13);
        folded.Output(folded.Node("MatMul", [folded.Input("x", 3, 96), folded.Weight("w", 96, 40)]));
        folded.Run(new QuantizeWeights(), new() { Quantization = QuantizationMode.WeightOnly, WeightBits = 4 });
        var open = new TestModel(13);
        var given = open.Input("w", DataType.Float16, 64, 80);
        open.Graph.SetInitializer(given, Tensor.Create(DataType.Float16, [64, 80], new Half[64 * 80]));
        open.Output(open.Node("MatMul", [open.Input("x", 3, 64), open.Node("Cast", [given], NodeAttribute.Of("to", (long)DataType.Float))]));

        foreach (var model in new[] { packed, folded, open })
        {
            Assert.IsTrue(model.Graph.Initializers.Any(i => i.Initializer!.DataType == DataType.Float16), "nothing to widen");
            var widened = new WidenStoredWeights();
            model.Run(widened);
            Assert.IsFalse(widened.Any);
        }
    }

    private static TestModel Product(DataType type)
    {
        var model = new TestModel(13);
        var product = model.Node("MatMul", [model.Input("x", 3, 64), Stored(model, type, 64, 80)]);
        model.Output(model.Node("Add", [product, Stored(model, type, 80)]));
        return model;
    }

    private static Value Stored(TestModel model, DataType type, params long[] dims)
    {
        float[] elements = model.RandomTensor(dims).AsSpan<float>().ToArray();
        var halves = new Half[elements.Length];
        TensorPrimitives.ConvertToHalf(elements, halves);
        var tensor = type == DataType.Float16
            ? Tensor.Create(type, dims, halves)
            : Tensor.Create(type, dims, Array.ConvertAll(elements, e => (ushort)(BitConverter.SingleToUInt32Bits(e) >> 16)));
        return model.Node("Cast", [model.Constant(dims.Length == 1 ? "b" : "w", tensor)], NodeAttribute.Of("to", (long)DataType.Float));
    }

    private static CompressionSettings Settings(CompressionOptions options) => new(options);
}
