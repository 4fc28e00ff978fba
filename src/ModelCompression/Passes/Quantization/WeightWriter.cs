using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization;

/// <summary>Writes a quantized weight into the graph and lets its consumers use it.</summary>
internal sealed class WeightWriter
{
    private readonly WeightPlan plan;
    private readonly EncodedWeight encoded;
    private readonly WeightNames names;
    private readonly ConstantWriter writer;

    private WeightWriter(WeightPlan plan, EncodedWeight encoded, int number)
    {
        this.plan = plan;
        this.encoded = encoded;
        names = new WeightNames(number);
        writer = new ConstantWriter(plan.Target, plan.Site.Value);
    }

    private ReadOnlySpan<long> Dims => plan.Site.Tensor.Dims;

    /// <summary>Replaces the weight everywhere and removes it.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="encoded">The numbers.</param>
    /// <param name="codes">Storage of the codes.</param>
    /// <param name="number">Position among the quantized weights, for names.</param>
    public static void Write(WeightPlan plan, EncodedWeight encoded, PackingPlan codes, int number)
    {
        var self = new WeightWriter(plan, encoded, number);
        var stored = self.writer.Packed(WeightNames.OfCodes(plan.Site.Value), codes);
        switch (plan.Form)
        {
            case WeightForm.GatheredRows:
                self.UnpackRows(stored);
                break;
            case WeightForm.Dequantized:
                self.Replace(self.Dequantize(stored));
                break;
            default:
                self.Replace(self.Unpack(stored));
                break;
        }

        Remove(plan.Site.Value);
    }

    private static void Remove(Value weight)
    {
        if (weight.Producer is { } constant) weight.Graph.RemoveNode(constant);
        else weight.Graph.RemoveInitializer(weight);
    }

    private void Replace(Value weight)
    {
        foreach (var use in plan.Site.Uses) use.Node.SetInput(use.InputIndex, weight);
    }

    private Value Unpack(Value codes)
    {
        long[] shape = ScaleShape.Broadcast(Dims, plan.ChannelAxes);
        var value = writer.Node("Cast", [codes], names.Float, NodeAttribute.Of("to", (long)DataType.Float));
        if (!plan.Codes.IsSymmetric) value = writer.Node("Sub", [value, writer.Constant(names.ZeroPoint, ZeroPointsAsFloat(shape))], names.Centred);
        bool isFloat = plan.Site.Tensor.DataType == DataType.Float;
        value = writer.Node("Mul", [value, writer.Constant(names.Scale, Tensor.Float(shape, encoded.Scales))], isFloat ? names.Weight : names.Centred);
        return isFloat ? value : writer.Node("Cast", [value], names.Weight, NodeAttribute.Of("to", (long)plan.Site.Tensor.DataType));
    }

    private Value Dequantize(Value codes)
    {
        long[] shape = plan.ChannelAxes.Count == 0 ? [] : [encoded.Scales.Length];
        var zeroPoints = plan.Codes.IsSymmetric
            ? Tensor.Create(DataType.Int8, shape, new sbyte[encoded.ZeroPoints.Length])
            : Tensor.Create(DataType.UInt8, shape, Array.ConvertAll(encoded.ZeroPoints, z => (byte)z));
        NodeAttribute[] axis = plan.ChannelAxes.Count == 0 ? [] : [NodeAttribute.Of("axis", (long)FormRules.DequantizeAxis(plan.Site.Tensor, plan.ChannelAxes)!)];
        return writer.Node("DequantizeLinear", [codes, writer.Constant(names.Scale, Tensor.Float(shape, encoded.Scales)), writer.Constant(names.ZeroPoint, zeroPoints)], names.Weight, axis);
    }

    /// <summary>Each Gather picks codes; the same indices pick the rows' scales and zero points. A scale for the whole table needs no picking.</summary>
    private void UnpackRows(Value codes)
    {
        long[] shape = ScaleShape.Rows(Dims, plan.ChannelAxes);
        var scales = writer.Constant(names.Scale, Tensor.Float(shape, encoded.Scales));
        var zeroPoints = plan.Codes.IsSymmetric ? null : writer.Constant(names.ZeroPoint, ZeroPointsAsFloat(shape));
        foreach (var use in plan.Site.Uses) new GatherRewriter(use.Node, plan, names).Rewrite(codes, scales, zeroPoints);
    }

    private Tensor ZeroPointsAsFloat(long[] shape) => Tensor.Float(shape, Array.ConvertAll(encoded.ZeroPoints, z => (float)z));
}
