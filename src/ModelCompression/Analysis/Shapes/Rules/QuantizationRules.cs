using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Quantization, dequantization, and elementwise operators on quantized tensors.</summary>
internal static class QuantizationRules
{
    private static readonly string[] QuantizedBinary = ["QLinearAdd", "QLinearMul"];
    private static readonly string[] QuantizedUnary = ["QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax"];

    public static void Register(RuleTable table)
    {
        table.Add("QuantizeLinear", Quantize);
        table.Add("QuantizeLinear", Quantize, domain: RuleTable.Microsoft);
        table.Add("DequantizeLinear", Dequantize);
        table.Add("DequantizeLinear", Dequantize, domain: RuleTable.Microsoft);
        table.Add("DynamicQuantizeLinear", n =>
        {
            n.Set(0, DataType.UInt8, n.ShapeOf(0));
            n.Set(1, DataType.Float, Shape.Of());
            n.Set(2, DataType.UInt8, Shape.Of());
        });
        table.Add(QuantizedUnary, n => n.Set(0, n.TypeOf(0)), domain: RuleTable.Microsoft);
        table.Add(QuantizedBinary, n => n.Set(0, n.ElementOf(0), Broadcasting.Combine(n, n.ShapeOf(0), n.ShapeOf(3))), domain: RuleTable.Microsoft);
        table.Add("QLinearWhere", n => n.Set(0, n.ElementOf(1), Broadcasting.Combine(n, n.ShapeOf(0), n.ShapeOf(1), n.ShapeOf(4))), domain: RuleTable.Microsoft);
    }

    private static void Quantize(NodeInference n)
    {
        var element = n.HasInput(2) ? n.ElementOf(2) : ConversionRules.Numbered(n, "output_dtype", DataType.Undefined);
        n.Set(0, element == DataType.Undefined && !n.HasInput(2) ? DataType.UInt8 : element, n.ShapeOf(0));
    }

    private static void Dequantize(NodeInference n)
    {
        var stated = ConversionRules.Numbered(n, "output_dtype", DataType.Undefined);
        n.Set(0, stated != DataType.Undefined ? stated : n.ElementOf(1), n.ShapeOf(0));
    }
}
