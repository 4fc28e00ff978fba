using System.Diagnostics.CodeAnalysis;
using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Views;

/// <summary>A <c>MatMul</c>, or ONNX Runtime's <c>FusedMatMul</c>: Y = alpha·op(A)·op(B) with NumPy's rules for ranks other than two.</summary>
/// <param name="Node">The node.</param>
/// <param name="A">[…, M, K]; a vector counts as [1, K].</param>
/// <param name="B">[…, K, N]; a vector counts as [K, 1].</param>
/// <param name="Alpha">Factor of the product.</param>
/// <param name="TransA">True if the last two axes of A are exchanged first.</param>
/// <param name="TransB">True if the last two axes of B are exchanged first.</param>
public sealed record MatMulView(Node Node, Value A, Value B, float Alpha, bool TransA, bool TransB)
{
    /// <summary>True if a batch axis of A or B changes its place too (<c>transBatchA</c>, <c>transBatchB</c>).</summary>
    public bool TransposesBatch { get; init; }

    /// <summary>Sees <paramref name="node"/> as a matrix product.</summary>
    public static bool TryFrom(Node node, [NotNullWhen(true)] out MatMulView? view)
    {
        view = null;
        bool isFused = node is { OpType: "FusedMatMul" or "TransposeMatMul", Domain: "com.microsoft" };
        var attributes = new NodeAttributes(node);
        if (!(node.Is("MatMul") || isFused) || attributes.HasUnboundReference || node.Input(0) is not { } a || node.Input(1) is not { } b) return false;
        view = isFused
            ? new(node, a, b, attributes.Float("alpha", 1), attributes.Int("transA", 0) != 0, attributes.Int("transB", 0) != 0)
            {
                TransposesBatch = attributes.Int("transBatchA", 0) != 0 || attributes.Int("transBatchB", 0) != 0,
            }
            : new(node, a, b, 1, false, false);
        return true;
    }
}
