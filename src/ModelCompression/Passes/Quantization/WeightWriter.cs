using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization;

/// <summary>Writes a quantized weight into the graph and lets its consumers use it.</summary>
internal sealed class WeightWriter
{
    private readonly WeightPlan plan;
    private readonly EncodedWeight encoded;
    private readonly WeightNames names;
    private readonly CodeStorage storage;
    private readonly ConstantWriter writer;

    private WeightWriter(WeightPlan plan, EncodedWeight encoded, CodeStorage storage, ConstantWriter writer, int number)
    {
        this.plan = plan;
        this.encoded = encoded;
        this.storage = storage;
        this.writer = writer;
        names = new WeightNames(number);
    }

    private static NodeAttribute ToFloat => NodeAttribute.Of("to", (long)DataType.Float);

    private ReadOnlySpan<long> Dims => plan.Site.Tensor.Dims;

    /// <summary>Replaces the weight everywhere and removes it.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="encoded">The numbers.</param>
    /// <param name="codes">Storage of the codes.</param>
    /// <param name="writer">Writes into the graph that owns the weight.</param>
    /// <param name="number">Position among the quantized weights, for names.</param>
    public static void Write(WeightPlan plan, EncodedWeight encoded, CodeStorage codes, ConstantWriter writer, int number)
    {
        var self = new WeightWriter(plan, encoded, codes, writer, number);
        var stored = writer.Codes(WeightNames.OfCodes(plan.Site.Value), codes);
        switch (plan.Form)
        {
            case WeightForm.GatheredRows:
                self.UnpackRows(stored);
                break;
            case WeightForm.ProductBlocks:
                self.Multiply(stored);
                break;
            case WeightForm.Dequantized:
                self.Replace(self.Dequantize(stored));
                // Of more dimensions the runtime finds the product and its bias together, and computes them at once.
                foreach (var use in plan.Site.Uses)
                    if (use.Node.Is("MatMul") && ProductSums.MayBeMatrix(use.Node)) ProductSums.KeepApart(use.Node);
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
        var type = plan.Site.Tensor.DataType;
        if (plan.Precision.IsHalf) return writer.Node("Cast", [codes], names.Weight, NodeAttribute.Of("to", (long)type));
        long[] shape = plan.Precision.HasBlocks ? plan.Blocks!.ChannelScales : ScaleShape.Broadcast(Dims, plan.ChannelAxes);
        var value = plan.Precision.IsCurved ? Levels(codes) : writer.Node("Cast", [codes], names.Float, ToFloat);
        if (plan.Precision.IsWide) value = AddLowBits(value);
        else if (!plan.Codes.IsSymmetric) value = writer.Node("Sub", [value, writer.Constant(names.ZeroPoint, ZeroPointsAsFloat(shape))], names.Centred);
        var scales = Scales(shape);
        bool last = type == DataType.Float && !plan.Precision.HasBlocks;
        value = writer.Node("Mul", [value, plan.Precision.HasBlocks ? BlockScales(scales) : scales], last ? names.Weight : names.Centred);
        if (plan.Precision.HasBlocks) value = writer.Node("Reshape", [value, writer.Constant(names.Shape, Tensor.Int64([Dims.Length], Dims.ToArray()))], names.Weight);
        return type == DataType.Float ? value : writer.Node("Cast", [value], names.Weight, NodeAttribute.Of("to", (long)type));
    }

    private Value Scales(long[] shape)
    {
        int unit = plan.Precision.ScaleUnit;
        return plan.Precision.HasHalfScales
            ? writer.AsFloat(names.HalfScale, names.Scale, Tensor.Create(DataType.Float16, shape, Array.ConvertAll(encoded.Scales, s => (Half)(s * unit))))
            : writer.Constant(names.Scale, Tensor.Float(shape, Array.ConvertAll(encoded.Scales, s => s * unit)));
    }

    private Value Levels(Value codes)
    {
        var positions = plan.Precision.IsNarrow ? codes : writer.Node("Cast", [codes], names.Centred, NodeAttribute.Of("to", (long)DataType.Int32));
        return writer.Node("Gather", [writer.Levels(plan.Precision), positions], names.Float, NodeAttribute.Of("axis", 0));
    }

    private Value AddLowBits(Value high)
    {
        var radix = writer.Constant(names.ZeroPoint, Tensor.Float([], 1 << (plan.Precision.Bits - 8)));
        var low = writer.Node("Cast", [writer.LowBits(names.LowBits, storage)], names.LowBits, ToFloat);
        return writer.Node("Add", [writer.Node("Mul", [high, radix], names.Float), low], names.Centred);
    }

    private Value BlockScales(Value steps)
    {
        var multiples = writer.Constant(names.Multiples, Tensor.Create(DataType.UInt8, plan.Blocks!.BlockScales, encoded.BlockMultiples));
        return writer.Node("Mul", [writer.Node("Cast", [multiples], names.Multiples, ToFloat), steps], names.Scale);
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

    private void Multiply(Value codes)
    {
        var product = plan.Product!;
        var repeats = product.Repeats(encoded.Scales.Length) ? writer.Constant(names.Shape, Tensor.Int64([2], product.Rows, product.Count)) : null;
        Value Repeated(string name, Tensor perChannel) => repeats is null ? writer.Constant(name, perChannel) : writer.Node("Expand", [writer.Constant(name, perChannel), repeats], name);
        List<Value> maps = [Repeated(names.Scale, product.Arrange(encoded.Scales))];
        if (!plan.Codes.IsSymmetric) maps.Add(Repeated(names.ZeroPoint, Tensor.Create(DataType.UInt8, [encoded.ZeroPoints.Length, 1], Array.ConvertAll(encoded.ZeroPoints, z => (byte)z))));
        if (RuntimeOperators.DefersPacking(computesWithIntegers: true, storage.IsConstant, hasConstantScales: repeats is null)) codes = writer.Node("Identity", [codes], names.Weight);
        foreach (var use in plan.Site.Uses) RuntimeOperators.ReplaceProduct(use.Node, [codes, .. maps], product.Attributes, plan.Site.Tensor.DataType == DataType.Float16);
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
