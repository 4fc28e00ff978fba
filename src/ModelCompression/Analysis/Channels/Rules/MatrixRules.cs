using ModelCompression.Analysis.Shapes;
using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Channels.Rules;

/// <summary>Matrix products: the inner axis is summed over on both sides, the outer ones pass through.</summary>
internal static class MatrixRules
{
    public static void Gemm(Node node, ChannelTracer tracer)
    {
        if (!GemmView.TryFrom(node, out var gemm) || tracer.RankOf(gemm.A) != 2 || tracer.RankOf(gemm.B) != 2)
        {
            tracer.PinNode(node, $"the operands of {node.DisplayName} are not matrices");
            return;
        }

        var y = node.Outputs[0]!;
        tracer.Tie(gemm.A, gemm.TransA ? 0 : 1, gemm.B, gemm.TransB ? 1 : 0);
        tracer.Tie(y, 0, gemm.A, gemm.TransA ? 1 : 0);
        tracer.Tie(y, 1, gemm.B, gemm.TransB ? 0 : 1);
        if (gemm.C is { } c) ElementwiseRules.TieAligned(tracer, y, c);
    }

    public static void MatMul(Node node, ChannelTracer tracer)
    {
        if (!MatMulView.TryFrom(node, out var product) || product.TransposesBatch)
        {
            tracer.PinNode(node, $"{node.OpType} {node.DisplayName} moves batch axes");
            return;
        }

        var y = node.Outputs[0]!;
        int rankA = tracer.RankOf(product.A);
        int rankB = tracer.RankOf(product.B);
        int inner = rankA == 1 ? -1 : product.TransA ? -2 : -1;
        tracer.Tie(product.A, inner, product.B, rankB == 1 ? -1 : product.TransB ? -1 : -2);
        if (rankB > 1) tracer.Tie(y, -1, product.B, product.TransB ? -2 : -1);
        if (rankA > 1) tracer.Tie(y, rankB > 1 ? -2 : -1, product.A, product.TransA ? -1 : -2);
        // A vector operand has no outer axis, so batch axes lie one place further to the right in y.
        int dropped = (rankA == 1 ? 1 : 0) + (rankB == 1 ? 1 : 0);
        TieBatch(tracer, y, product.A, dropped);
        TieBatch(tracer, y, product.B, dropped);
    }

    public static void Einsum(Node node, ChannelTracer tracer)
    {
        var values = node.Inputs.Append(node.Outputs[0]).ToArray();
        // An ellipsis repeats its dots, so terms with one are not plain.
        if (EinsumEquation.Split(node.GetString("equation", "")) is not var (terms, result) || result is null || terms.Length != node.Inputs.Count
            || !terms.Append(result).Zip(values).All(p => p.Second is not null && p.First.Length == tracer.RankOf(p.Second) && p.First.Distinct().Count() == p.First.Length))
        {
            tracer.PinNode(node, $"the equation of Einsum {node.DisplayName} is not explicit");
            return;
        }

        var first = new Dictionary<char, (Value Value, int Axis)>();
        foreach (var (term, value) in terms.Append(result).Zip(values))
        {
            for (int axis = 0; axis < term.Length; axis++)
            {
                if (first.TryGetValue(term[axis], out var other)) tracer.Tie(other.Value, other.Axis, value!, axis);
                else first.Add(term[axis], (value!, axis));
            }
        }
    }

    private static void TieBatch(ChannelTracer tracer, Value y, Value operand, int dropped)
    {
        var shape = tracer.ShapeOf(operand)!;
        for (int axis = 3; axis <= shape.Rank; axis++)
            if (shape[-axis].Size != 1) tracer.Tie(y, -axis + dropped, operand, -axis);
    }
}
