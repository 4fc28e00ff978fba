using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization;

/// <summary>Keeps a quantized matrix product apart from the bias that is added to it.</summary>
/// <remarks>
/// ONNX Runtime 1.29 makes a Gemm of MatMul and an Add of up to two dimensions before it looks for integer kernels: of matrices always, of products with more dimensions where all sizes are
/// known. It has no integer kernel for a Gemm whose bias is float, so the codes would be turned back into floats in every run, which takes two to twenty times as long as the
/// float model did. <c>Sum</c> of the same two values, which broadcasts from opset 8 on, gives the same numbers and stays by itself.
/// </remarks>
internal static class ProductSums
{
    /// <summary>Dimensions from which on a summand does not fit into Gemm.</summary>
    private const int MinApartRank = 3;

    /// <summary>Turns the Add behind a MatMul into Sum where ONNX Runtime could make one Gemm of the two.</summary>
    /// <param name="product">A node of any operator; all but MatMul are left alone.</param>
    public static void KeepApart(Node product)
    {
        if (!product.Is("MatMul") || product.Output() is not { IsGraphOutput: false, IsReferencedByName: false, Uses: [var use] } || !use.Node.Is("Add") || use.Node.Graph != product.Graph) return;
        if (RankOf(use.Node.Inputs[1 - use.Index]!) >= MinApartRank) return;
        var add = use.Node;
        var old = add.Outputs[0]!;
        var sum = add.Graph!.AddNode("Sum", add.Inputs, [old.Name], [], name: add.Name, index: add.Graph.IndexOf(add)).Outputs[0]!;
        sum.Type = old.Type;
        sum.TakePlaceOf(old);
        add.Graph.RemoveNode(add);
    }

    /// <summary>True if the product has two dimensions or an unknown number of them.</summary>
    /// <param name="product">A MatMul.</param>
    public static bool MayBeMatrix(Node product) => RankOf(product.Outputs[0]!) is null or 2;

    private static int? RankOf(Value value) =>
        value.TryGetConstant(out var constant) ? constant.Rank : (value.Type as TensorType)?.Shape?.Rank;
}
