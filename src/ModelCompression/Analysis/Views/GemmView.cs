using System.Diagnostics.CodeAnalysis;
using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Views;

/// <summary>A <c>Gemm</c> (or ONNX Runtime's <c>FusedGemm</c>) with all defaults applied: Y = alpha·op(A)·op(B) + beta·C.</summary>
/// <remarks>
/// Up to opset 6 a C of another shape needs <c>broadcast=1</c>; the shapes allowed then broadcast the same way as later, so the attribute adds nothing.
/// </remarks>
/// <param name="Node">The node.</param>
/// <param name="A">[M, K], or [K, M] when transposed.</param>
/// <param name="B">[K, N], or [N, K] when transposed.</param>
/// <param name="C">Summand that broadcasts to [M, N], or null.</param>
/// <param name="Alpha">Factor of the product.</param>
/// <param name="Beta">Factor of the summand.</param>
/// <param name="TransA">True if A is transposed first.</param>
/// <param name="TransB">True if B is transposed first.</param>
public sealed record GemmView(Node Node, Value A, Value B, Value? C, float Alpha, float Beta, bool TransA, bool TransB)
{
    /// <summary>Activation fused into the node (<c>FusedGemm</c>), or empty.</summary>
    public string Activation { get; init; } = "";

    /// <summary>Axis of B along which the product sums.</summary>
    public int ReductionAxisOfB => TransB ? 1 : 0;

    /// <summary>Axis of B that indexes output columns.</summary>
    public int ChannelAxisOfB => TransB ? 0 : 1;

    /// <summary>Sees <paramref name="node"/> as a Gemm.</summary>
    public static bool TryFrom(Node node, [NotNullWhen(true)] out GemmView? view)
    {
        view = null;
        bool isFused = node is { OpType: "FusedGemm", Domain: "com.microsoft" };
        var attributes = new NodeAttributes(node);
        if (!(node.Is("Gemm") || isFused) || attributes.HasUnboundReference || node.Input(0) is not { } a || node.Input(1) is not { } b) return false;
        view = new(node, a, b, node.Input(2), attributes.Float("alpha", 1), attributes.Float("beta", 1), attributes.Int("transA", 0) != 0, attributes.Int("transB", 0) != 0)
        {
            Activation = isFused ? attributes.Text("activation", "") : "",
        };
        return true;
    }
}
