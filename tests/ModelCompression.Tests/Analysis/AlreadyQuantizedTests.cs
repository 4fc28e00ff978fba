using ModelCompression.Analysis;
using ModelCompression.Analysis.Costs;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Analysis;

[TestClass]
public sealed class AlreadyQuantizedTests
{
    [TestMethod]
    public void DynamicQuantization_ScalesAndBiasBelongToIt_TheRestDoesNot()
    {
        // y = MatMulInteger(quantize(x), W) · (scale of x · scale of W) + bias; then a float MatMul.
        var model = GraphFixture.NewModel();
        var quantized = model.Graph.AddNode("DynamicQuantizeLinear", [model.Input("x", 1, 8)], ["q", "s", "z"]);
        var weight = model.Bytes("weight", 8, 4);
        var product = model.Add("MatMulInteger", [quantized.Outputs[0], weight, quantized.Outputs[2]]);
        var real = model.Add("Cast", [product], NodeAttribute.Of("to", (long)DataType.Float));
        var scale = model.Floats("w_scale", 1);
        var bias = model.Floats("bias", 4);
        var y = model.Add("Add", [model.Add("Mul", [real, model.Add("Mul", [quantized.Outputs[1], scale])]), bias]);
        var free = model.Floats("free", 4, 4);
        var plain = model.Add("MatMul", [y, free]);
        model.Graph.AddOutput(plain);

        var found = AlreadyQuantized.Of(model);

        Assert.AreEqual("already quantized (MatMulInteger)", found.ReasonFor(product.Producer!));
        StringAssert.StartsWith(found.ReasonFor(scale), "scale of", StringComparison.Ordinal);
        StringAssert.StartsWith(found.ReasonFor(bias), "bias of MatMulInteger", StringComparison.Ordinal);
        Assert.IsNull(found.ReasonFor(free));
        Assert.IsNull(found.ReasonFor(plain.Producer!));
        Assert.AreEqual(weight, found.IntegerWeights.Single());
    }

    [TestMethod]
    public void WeightBehindDequantizeLinear_IsQuantized_EvenTransposed()
    {
        var model = GraphFixture.NewModel();
        var scale = model.Floats("scale", 4);
        var weight = model.Add("DequantizeLinear", [model.Bytes("codes", 8, 4), scale], NodeAttribute.Of("axis", 1));
        var turned = model.Add("Transpose", [weight]);
        var bias = model.Floats("bias", 4);
        var y = model.Add("Gemm", [model.Input("x", 1, 8), turned, bias], NodeAttribute.Of("transB", 1));

        var found = AlreadyQuantized.Of(model);

        Assert.AreEqual("already quantized (DequantizeLinear)", found.ReasonFor(y.Producer!));
        Assert.IsNotNull(found.ReasonFor(scale));
        StringAssert.StartsWith(found.ReasonFor(bias), "bias of Gemm", StringComparison.Ordinal);
    }

    [TestMethod]
    public void WeightUnpackedByCastAndMul_IsQuantized()
    {
        var model = GraphFixture.NewModel();
        var scale = model.Floats("scale", 4);
        var weight = model.Add("Mul", [model.Add("Cast", [model.Bytes("codes", 8, 4)], NodeAttribute.Of("to", (long)DataType.Float)), scale]);
        var y = model.Add("MatMul", [model.Input("x", 1, 8), weight]);

        var found = AlreadyQuantized.Of(model);

        Assert.AreEqual("already quantized (weight stored as Int8)", found.ReasonFor(y.Producer!));
        Assert.AreEqual("scale or palette of a weight stored as integers", found.ReasonFor(scale));
    }

    [TestMethod]
    public void SimulatedQuantization_OfAFloatWeight_IsSeen()
    {
        var model = GraphFixture.NewModel();
        var scale = model.Floats("scale", 1);
        var zero = model.Graph.AddInitializer("zero", Tensor.Create(DataType.Int8, [], new sbyte[1]));
        var weight = model.Floats("weight", 8, 4);
        var pair = model.Add("DequantizeLinear", [model.Add("QuantizeLinear", [weight, scale, zero]), scale, zero]);
        var input = model.Add("DequantizeLinear", [model.Add("QuantizeLinear", [model.Input("x", 1, 8), scale, zero]), scale, zero]);
        var y = model.Add("MatMul", [input, pair]);

        var found = AlreadyQuantized.Of(model);

        Assert.AreEqual("already quantized (QuantizeLinear)", found.ReasonFor(weight));
        Assert.AreEqual("already quantized (Q/DQ)", found.ReasonFor(y.Producer!));
    }

    [TestMethod]
    public void FloatModel_HasNothing()
    {
        var model = GraphFixture.NewModel();
        model.Add("MatMul", [model.Input("x", 1, 8), model.Floats("w", 8, 4)]);
        Assert.IsFalse(AlreadyQuantized.Of(model).Any);
    }

    [TestMethod]
    public void Whisper_EveryIntegerProductIsRecognised()
    {
        using var model = OnnxReader.Read(ModelZoo.Path("whisper-tiny/encoder_model_quantized.onnx"));
        var found = AlreadyQuantized.Of(model);
        var products = model.Graph.AllNodes().Where(n => n.OpType is "MatMulInteger" or "ConvInteger").ToList();
        Assert.IsNotEmpty(products);
        Assert.IsTrue(products.All(n => found.ReasonFor(n) is not null));
        // Products of two activations have no stored weight.
        int stored = products.Count(n => n.Input(1)!.Initializer is not null);
        Assert.HasCount(stored, found.IntegerWeights);
    }

    /// <summary>Whisper-tiny has 37,760,640 parameters, and these two models together hold each of them once.</summary>
    [TestMethod]
    [DataRow("whisper-tiny/encoder_model_quantized.onnx", 8_208_384L)]
    [DataRow("whisper-tiny/decoder_model_merged_quantized.onnx", 29_552_256L)]
    public void Whisper_ParametersStoredAsIntegers_CountAsPublished(string name, long expected)
    {
        using var model = OnnxReader.Read(ModelZoo.Path(name));
        Assert.AreEqual(expected, ParameterCounter.Count(model).Parameters);
    }
}
