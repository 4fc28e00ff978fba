using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis;

/// <summary>What a weight does in its consumer.</summary>
public enum WeightRole
{
    /// <summary>Filters of Conv: [M, C/group, k…].</summary>
    Convolution,

    /// <summary>Filters of ConvTranspose: [C, M/group, k…].</summary>
    TransposedConvolution,

    /// <summary>Constant operand of Gemm, MatMul or their fused forms.</summary>
    MatrixProduct,

    /// <summary>Constant operand of Einsum that is summed over at least one axis.</summary>
    TensorProduct,

    /// <summary>Table whose rows Gather picks: [V, D].</summary>
    Embedding,

    /// <summary>Input or recurrence weights of LSTM, GRU, RNN: [directions, gates·H, I].</summary>
    Recurrent,
}

/// <summary>How one consumer reads a weight.</summary>
/// <param name="Node">The consumer.</param>
/// <param name="InputIndex">Its input.</param>
/// <param name="Role">What the weight does there.</param>
/// <param name="ChannelAxes">Axes that index output channels (for embeddings: rows): scales per channel vary along them.</param>
/// <param name="ReductionAxis">The axis that is summed over, along which N:M runs and blocks lie; for Conv 1, which with the kernel axes is summed.</param>
public sealed record WeightUse(Node Node, int InputIndex, WeightRole Role, IReadOnlyList<int> ChannelAxes, int ReductionAxis)
{
    /// <summary>The operator that computes with the weight, whose settings count: <see cref="Node"/>, or what lies behind it when that is a Transpose or a Cast.</summary>
    public Node Operator { get; init; } = Node;
}

/// <summary>A stored floating point weight and everyone who reads it.</summary>
/// <param name="Value">The initializer or output of a <c>Constant</c> node.</param>
/// <param name="Tensor">Its content.</param>
/// <param name="Uses">All uses; all are of a known role.</param>
public sealed record WeightSite(Value Value, Tensor Tensor, IReadOnlyList<WeightUse> Uses)
{
    /// <summary>The first consumer, which names the layer in reports.</summary>
    public Node Node => Uses[0].Node;

    /// <summary>The first operator that computes with the weight: the first consumer, or what lies behind it when that only transposes or converts.</summary>
    public Node Operator => Uses[0].Operator;

    /// <summary>Role in the first consumer.</summary>
    public WeightRole Role => Uses[0].Role;

    /// <summary>True if all consumers agree on the channel axes.</summary>
    public bool HasCommonChannelAxes => Uses.All(u => u.ChannelAxes.SequenceEqual(Uses[0].ChannelAxes));
}
