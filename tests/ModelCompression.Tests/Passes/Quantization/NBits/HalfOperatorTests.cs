using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.NBits;

/// <summary>Weights in binary16 whose consumers become operators in binary32.</summary>
[TestClass]
public sealed class HalfOperatorTests
{
    /// <summary>The codes are those of folded weights, which are binary16 once they are unpacked; operators need not round them.</summary>
    [TestMethod]
    [DataRow("MatMul", QuantizationScheme.Symmetric, "MatMulNBits"), DataRow("MatMul", QuantizationScheme.Asymmetric, "MatMulNBits"), DataRow("Gemm", QuantizationScheme.Symmetric, "MatMulNBits")]
    [DataRow("Gather", QuantizationScheme.Symmetric, "GatherBlockQuantized")]
    public void Outputs_AreThoseOfFoldedWeights(string consumer, QuantizationScheme scheme, string opType)
    {
        TestModel folded = Model(consumer), actual = Model(consumer);
        // Zeros keep zero points on codes in both forms.
        folded.Run(new QuantizeWeights(), Options(scheme, QuantizationFormat.Folded));
        actual.Run(new QuantizeWeights(), Options(scheme, QuantizationFormat.MatMulNBits));
        Assert.DoesNotContain(opType, folded.OpTypes());
        Assert.Contains(opType, actual.OpTypes());
        Assert.DoesNotContain(consumer, actual.OpTypes());
        QuantizeWeightsFormTests.AssertClose(folded.Model, actual.Model, relative: 2e-3);
    }

    private static CompressionOptions Options(QuantizationScheme scheme, QuantizationFormat format) => new()
    {
        Quantization = QuantizationMode.WeightOnly,
        QuantizationFormat = format,
        QuantizationScheme = scheme,
        QuantizationGranularity = QuantizationGranularity.Block,
        WeightBits = 4,
        ActivationBits = 16,
    };

    private static TestModel Model(string consumer)
    {
        var model = new TestModel(17);
        var weight = model.Constant("w", Half(model.RandomTensor(96, 80)));
        var input = consumer == "Gather" ? model.Input("ids", DataType.Int64, 2, 3) : model.Node("Cast", [model.Input("x", 4, 96)], NodeAttribute.Of("to", (long)DataType.Float16));
        var result = consumer switch
        {
            "Gather" => model.Node("Gather", [weight, input]),
            "Gemm" => model.Node("Gemm", [input, weight, model.Constant("b", Half(model.RandomTensor(80)))]),
            _ => model.Node("MatMul", [input, weight]),
        };
        model.Output(model.Node("Cast", [result], NodeAttribute.Of("to", (long)DataType.Float)));
        return model;
    }

    private static Tensor Half(Tensor tensor)
    {
        Half[] elements = Array.ConvertAll(tensor.AsSpan<float>().ToArray(), x => (Half)x);
        elements[0] = default;
        return Tensor.Create(DataType.Float16, tensor.Dims, elements);
    }
}
