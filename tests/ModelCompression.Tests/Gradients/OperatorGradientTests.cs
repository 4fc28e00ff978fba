using ModelCompression.Gradients;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Tests.Gradients;

/// <summary>Each rule against central differences. The difference of a smooth function has an error of h²/6·f‴ (h = 0.01: some 1e-4) and rounding of 1e-7·|L|/h.</summary>
[TestClass]
public sealed class OperatorGradientTests
{
    private const double Tolerance = 2e-3;

    private static readonly Dictionary<string, (long Opset, Func<OperatorCase, Value> Build)> Cases = Collect();

    public static IEnumerable<object[]> Names => Cases.Keys.Select(k => new object[] { k });

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Gradient_EqualsCentralDifferences(string name)
    {
        var (opset, build) = Cases[name];
        Assert.IsLessThan(Tolerance, OperatorCase.RelativeError(opset, build));
    }

    [TestMethod]
    public void EveryOperatorWithARule_HasACase()
    {
        var tested = Cases.Keys.Select(k => k.Split(' ')[0]).ToHashSet();
        Assert.IsEmpty(GradientRules.Operators.Where(o => !tested.Contains(o)).ToList());
    }

    private static Dictionary<string, (long, Func<OperatorCase, Value>)> Collect()
    {
        var cases = new Dictionary<string, (long, Func<OperatorCase, Value>)>(StringComparer.Ordinal);
        ConvolutionCases.AddTo(cases);
        ArithmeticCases.AddTo(cases);
        LayoutCases.AddTo(cases);
        NormalizationCases.AddTo(cases);
        return cases;
    }
}

/// <summary>Convolutions, pooling, products.</summary>
internal static class ConvolutionCases
{
    public static void AddTo(Dictionary<string, (long, Func<OperatorCase, Value>)> cases)
    {
        cases["Conv plain"] = (13, c => Conv(c, [2, 3, 5, 5], [4, 3, 3, 3]));
        cases["Conv pointwise"] = (13, c => Conv(c, [2, 3, 3, 3], [4, 3, 1, 1]));
        cases["Conv padded, strided"] = (13, c => Conv(c, [1, 2, 6, 5], [3, 2, 3, 2], A("strides", 2, 3), A("pads", 1, 0, 2, 1)));
        cases["Conv dilated"] = (13, c => Conv(c, [1, 2, 7, 6], [2, 2, 2, 3], A("dilations", 3, 2), A("pads", 1, 1, 0, 2)));
        cases["Conv grouped"] = (13, c => Conv(c, [2, 4, 4, 4], [6, 2, 3, 3], NodeAttribute.Of("group", 2), A("pads", 1, 1, 1, 1)));
        cases["Conv depthwise, strided"] = (13, c => Conv(c, [2, 3, 5, 5], [3, 1, 3, 3], NodeAttribute.Of("group", 3), A("pads", 1, 1, 1, 1), A("strides", 2, 2)));
        cases["Conv depthwise, multiplied"] = (13, c => Conv(c, [1, 2, 4, 4], [4, 1, 3, 3], NodeAttribute.Of("group", 2)));
        cases["Conv same upper"] = (13, c => Conv(c, [1, 2, 5, 6], [2, 2, 4, 2], NodeAttribute.Of("auto_pad", "SAME_UPPER"), A("strides", 2, 3)));
        cases["Conv same lower"] = (13, c => Conv(c, [1, 2, 5, 6], [2, 2, 4, 2], NodeAttribute.Of("auto_pad", "SAME_LOWER"), A("strides", 2, 1)));
        cases["Conv valid, opset 9"] = (9, c => Conv(c, [2, 2, 5, 4], [3, 2, 3, 3], NodeAttribute.Of("auto_pad", "VALID")));
        cases["Conv strided, opset 9"] = (9, c => Conv(c, [2, 4, 5, 8], [4, 2, 3, 2], NodeAttribute.Of("group", 2), A("strides", 2, 3), A("pads", 1, 0, 1, 0)));
        cases["Conv stride beyond kernel"] = (13, c => Conv(c, [1, 2, 8, 8], [2, 2, 2, 1], A("strides", 3, 4)));
        cases["Conv 1-D"] = (13, c => Conv(c, [2, 2, 9], [3, 2, 3], A("strides", 2), A("pads", 1, 1)));
        cases["Conv 3-D"] = (13, c => Conv(c, [1, 2, 3, 4, 3], [2, 2, 2, 2, 2], A("pads", 0, 1, 0, 1, 0, 1)));
        cases["Conv many channels, one position"] = (13, c => Conv(c, [3, 8, 2, 2], [9, 8, 2, 2]));
        cases["ConvTranspose plain"] = (13, c => ConvTranspose(c, [2, 3, 3, 3], [3, 2, 3, 3], 2));
        cases["ConvTranspose strided, padded"] = (13, c => ConvTranspose(c, [1, 2, 3, 4], [2, 3, 3, 2], 3, A("strides", 2, 3), A("pads", 1, 0, 0, 1), A("output_padding", 1, 2)));
        cases["ConvTranspose grouped, dilated"] = (13, c => ConvTranspose(c, [1, 4, 3, 3], [4, 2, 2, 2], 4, NodeAttribute.Of("group", 2), A("dilations", 2, 1)));
        cases["ConvTranspose same upper"] = (13, c => ConvTranspose(c, [1, 2, 3, 3], [2, 2, 4, 3], 2, NodeAttribute.Of("auto_pad", "SAME_UPPER"), A("strides", 1, 2)));
        cases["ConvTranspose same lower"] = (13, c => ConvTranspose(c, [1, 2, 3, 3], [2, 2, 4, 3], 2, NodeAttribute.Of("auto_pad", "SAME_LOWER"), A("strides", 1, 2)));
        cases["ConvTranspose output shape"] = (13, c => ConvTranspose(c, [1, 2, 3, 3], [2, 2, 4, 3], 2, A("output_shape", 7, 6), A("strides", 2, 2)));
        foreach (var (transA, transB) in new[] { (0, 0), (0, 1), (1, 0), (1, 1) })
        {
            cases[$"Gemm {transA}{transB}"] = (transA == 0 ? 9 : 13, c => c.Op("Gemm", [c.Weight(transA == 0 ? [3, 4] : [4, 3]), c.Weight(transB == 0 ? [4, 5] : [5, 4]), c.Weight(5)],
                NodeAttribute.Of("transA", transA), NodeAttribute.Of("transB", transB), NodeAttribute.Of("alpha", 0.7f), NodeAttribute.Of("beta", 1.3f)));
        }

        cases["Gemm column bias"] = (13, c => c.Op("Gemm", [c.Weight(3, 4), c.Weight(4, 5), c.Weight(3, 1)]));
        cases["MatMul matrices"] = (13, c => c.Op("MatMul", [c.Weight(3, 4), c.Weight(4, 5)]));
        cases["MatMul batch by matrix"] = (13, c => c.Op("MatMul", [c.Weight(2, 3, 4), c.Weight(4, 5)]));
        cases["MatMul matrix by batch"] = (13, c => c.Op("MatMul", [c.Weight(3, 4), c.Weight(2, 4, 5)]));
        cases["MatMul repeated batch"] = (13, c => c.Op("MatMul", [c.Weight(2, 1, 3, 4), c.Weight(3, 4, 2)]));
        cases["MatMul vector by batch"] = (13, c => c.Op("MatMul", [c.Weight(4), c.Weight(2, 4, 5)]));
        cases["MatMul batch by vector"] = (13, c => c.Op("MatMul", [c.Weight(2, 3, 4), c.Weight(4)]));
        cases["MatMul vectors"] = (13, c => c.Op("MatMul", [c.Weight(4), c.Weight(4)]));
        cases["BatchNormalization four axes"] = (13, c => c.Op("BatchNormalization", [c.Weight(2, 3, 2, 2), c.Weight(3), c.Weight(3), c.Weight(3), c.Weight(0.5, 1.5, 3)]));
        cases["BatchNormalization two axes"] = (9, c => c.Op("BatchNormalization", [c.Weight(4, 3), c.Weight(3), c.Weight(3), c.Weight(3), c.Weight(0.5, 1.5, 3)]));
        cases["LayerNormalization last"] = (17, c => c.Op("LayerNormalization", [c.Weight(3, 5), c.Weight(5), c.Weight(5)]));
        cases["LayerNormalization two axes"] = (17, c => c.Op("LayerNormalization", [c.Weight(2, 3, 4), c.Weight(3, 4)], NodeAttribute.Of("axis", 1)));
        cases["InstanceNormalization"] = (13, c => c.Op("InstanceNormalization", [c.Weight(2, 3, 3, 2), c.Weight(3), c.Weight(3)]));
        cases["AveragePool tiles"] = (13, c => c.Op("AveragePool", [c.Weight(2, 2, 4, 6)], A("kernel_shape", 2, 3), A("strides", 2, 3)));
        cases["AveragePool overlapping, padded"] = (13, c => c.Op("AveragePool", [c.Weight(1, 2, 5, 5)], A("kernel_shape", 3, 3), A("strides", 2, 2), A("pads", 1, 1, 1, 1)));
        cases["AveragePool counting padding"] = (13, c => c.Op("AveragePool", [c.Weight(1, 2, 5, 5)], A("kernel_shape", 3, 2), A("strides", 2, 1), A("pads", 1, 0, 1, 1), NodeAttribute.Of("count_include_pad", 1)));
        cases["AveragePool rounding up"] = (13, c => c.Op("AveragePool", [c.Weight(1, 2, 6, 7)], A("kernel_shape", 3, 3), A("strides", 2, 3), NodeAttribute.Of("ceil_mode", 1)));
        cases["AveragePool same upper"] = (13, c => c.Op("AveragePool", [c.Weight(1, 2, 5, 6)], A("kernel_shape", 3, 2), A("strides", 2, 2), NodeAttribute.Of("auto_pad", "SAME_UPPER")));
        cases["MaxPool tiles"] = (13, c => c.Op("MaxPool", [c.Spread(0.03, 2, 2, 4, 6)], A("kernel_shape", 2, 3), A("strides", 2, 3)));
        foreach (long opset in new[] { 8L, 12, 16 })
            cases[$"MaxPool overlapping, opset {opset}"] = (opset, c => c.Op("MaxPool", [c.Spread(0.03, 2, 2, 5, 4)], A("kernel_shape", 3, 2), A("strides", 2, 1), A("pads", 1, 0, 1, 1)));
        cases["MaxPool rounding up"] = (12, c => c.Op("MaxPool", [c.Spread(0.03, 1, 2, 6, 7)], A("kernel_shape", 3, 3), A("strides", 2, 3), NodeAttribute.Of("ceil_mode", 1)));
        cases["MaxPool dilated"] = (12, c => c.Op("MaxPool", [c.Spread(0.03, 1, 1, 6, 7)], A("kernel_shape", 2, 2), A("dilations", 2, 3)));
        cases["GlobalAveragePool"] = (13, c => c.Op("GlobalAveragePool", [c.Weight(2, 3, 4, 2)]));
        cases["GlobalMaxPool"] = (13, c => c.Op("GlobalMaxPool", [c.Spread(0.03, 2, 3, 4, 2)]));
    }

    private static NodeAttribute A(string name, params long[] values) => NodeAttribute.Of(name, values);

    private static Value Conv(OperatorCase c, long[] x, long[] w, params NodeAttribute[] attributes) => c.Op("Conv", [c.Weight(x), c.Weight(w), c.Weight(w[0])], attributes);

    private static Value ConvTranspose(OperatorCase c, long[] x, long[] w, long outputs, params NodeAttribute[] attributes) => c.Op("ConvTranspose", [c.Weight(x), c.Weight(w), c.Weight(outputs)], attributes);
}
