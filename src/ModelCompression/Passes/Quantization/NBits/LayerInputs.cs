using ModelCompression.Analysis;
using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>What a layer multiplies with its weight: a tensor seen as rows in the order of the weight's rows.</summary>
/// <param name="Tensor">The tensor.</param>
/// <param name="Rows">Rows.</param>
internal sealed record LayerInputs(Value Tensor, TensorRows Rows)
{
    /// <summary>Finds the inputs of a weight's consumer, or says why there are none to see.</summary>
    public static (LayerInputs? Inputs, string Reason) Of(NBitPlan plan, Model model)
    {
        var use = plan.Use;
        var (tensor, rows) = Operand(use, plan);
        if (rows is null) return (null, $"{use.Node.OpType} is no plain sum over inputs with this weight");
        if (plan.Site.Uses.Any(u => Operand(u, plan).Tensor != tensor)) return (null, "several layers with different inputs share the weight");
        if (!StatisticsPlan.CanObserve(tensor, model)) return (null, "the inputs are computed in a subgraph");
        return (new(tensor, rows), "");
    }

    private static (Value? Tensor, TensorRows? Rows) Operand(WeightUse use, NBitPlan plan)
    {
        var node = use.Node;
        if (ConvView.TryFrom(node, out var convolution)) return (convolution.Input, TensorRows.Under(convolution));
        if (ConvTransposeView.TryFrom(node, out var transposed)) return transposed.Group == 1 ? (transposed.Input, TensorRows.Along(1)) : default;
        if (use.Role == WeightRole.Recurrent && use.InputIndex == 1) return (node.Input(0), TensorRows.Along(-1));
        if (use.Role != WeightRole.MatrixProduct || plan.Site.Tensor.Rank != 2 || !(node.Is("MatMul") || node.Is("Gemm"))) return default;
        bool isTransposed = node.GetInt(use.InputIndex == 1 ? "transA" : "transB", 0) != 0;
        // As right operand the weight meets the last axis of A, as left operand the one before the last of B.
        return (node.Input(1 - use.InputIndex), TensorRows.Along((use.InputIndex == 1) ^ isTransposed ? -1 : -2));
    }
}
