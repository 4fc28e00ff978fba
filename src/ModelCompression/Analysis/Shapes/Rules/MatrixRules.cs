using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Matrix products and their quantized and fused forms.</summary>
internal static class MatrixRules
{
    public static void Register(RuleTable table)
    {
        table.Add("MatMul", n => Multiply(n, n.ElementOf(0), 0, 1));
        table.Add("MatMulInteger", n => Multiply(n, DataType.Int32, 0, 1));
        table.Add("QLinearMatMul", n => Multiply(n, n.ElementOf(7), 0, 3));
        table.Add("Gemm", n => Gemm(n, n.ElementOf(0), 1));
        table.Add("Det", n => n.Set(0, n.ElementOf(0), n.RequireShape(0, 2).Dimensions.SkipLast(2)));
        table.Add("MatMulInteger16", n => Multiply(n, DataType.Int32, 0, 1), domain: RuleTable.Microsoft);
        table.Add(["DynamicQuantizeMatMul"], n => Multiply(n, n.ElementOf(0), 0, 1), domain: RuleTable.Microsoft);
        table.Add("MatMulIntegerToFloat", n => Multiply(n, n.ElementOf(2), 0, 1), domain: RuleTable.Microsoft);
        table.Add(["FusedMatMul", "TransposeMatMul", "FusedMatMulActivation"], n => Multiply(n, n.ElementOf(0), 0, 1), domain: RuleTable.Microsoft);
        table.Add("FusedGemm", n => Gemm(n, n.ElementOf(0), 1), domain: RuleTable.Microsoft);
        table.Add("QGemm", n => Gemm(n, n.HasInput(8) ? n.ElementOf(8) : DataType.Float, 3), domain: RuleTable.Microsoft);
        table.Add(["MatMulNBits", "MatMulBnb4", "MatMulFpQ4"], MultiplyPacked, domain: RuleTable.Microsoft);
    }

    private static void Multiply(NodeInference n, DataType element, int first, int second)
    {
        n.Set(0, element, default(Shape));
        if (n.Attributes.Int("transBatchA", 0) != 0 || n.Attributes.Int("transBatchB", 0) != 0) throw n.Refuse("transposed batch axes are not followed");
        var a = Prepare(n, first, "transA");
        var b = Prepare(n, second, "transB");
        bool isVectorA = a.Rank == 1, isVectorB = b.Rank == 1;
        var batchA = new Shape(a.Dimensions.SkipLast(2));
        var batchB = new Shape(b.Dimensions.SkipLast(2));
        var batch = Broadcasting.Combine(n, batchA, batchB)!;
        List<Dimension> dimensions = [.. batch.Dimensions];
        if (!isVectorA) dimensions.Add(a[-2]);
        if (!isVectorB) dimensions.Add(b[-1]);
        n.Set(0, element, dimensions);
    }

    private static Shape Prepare(NodeInference n, int input, string transpose)
    {
        var shape = n.RequireShape(input, 1);
        return n.Attributes.Int(transpose, 0) != 0 && shape.Rank >= 2
            ? new Shape([.. shape.Dimensions.SkipLast(2), shape[-1], shape[-2]])
            : shape;
    }

    private static void Gemm(NodeInference n, DataType element, int second)
    {
        n.Set(0, element, default(Shape));
        var a = n.RequireShape(0, 2);
        var b = n.RequireShape(second, 2);
        if (a.Rank != 2 || b.Rank != 2) throw n.Refuse("operands must be matrices");
        n.Set(0, element, [a[n.Attributes.Int("transA", 0) != 0 ? 1 : 0], b[n.Attributes.Int("transB", 0) != 0 ? 0 : 1]]);
    }

    private static void MultiplyPacked(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var a = n.RequireShape(0, 1);
        long columns = n.Attributes.Int("N", 0);
        n.Set(0, n.ElementOf(0), [.. a.Dimensions.SkipLast(1), columns > 0 ? columns : default(Dimension)]);
    }
}
