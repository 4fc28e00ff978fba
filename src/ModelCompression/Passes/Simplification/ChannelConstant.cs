using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification;

/// <summary>The constant operand of Mul or Add before a convolution.</summary>
/// <param name="Data">The other operand.</param>
/// <param name="Index">Input that is the constant.</param>
/// <param name="Tensor">The constant.</param>
/// <param name="Elements">One element per channel, repeated where there is one for all.</param>
internal sealed record ChannelConstant(Value Data, int Index, Tensor Tensor, double[] Elements)
{
    /// <summary>Reads the constant of a node whose result is [N, channels, …]; null when there is none or it varies along another axis.</summary>
    public static ChannelConstant? TryRead(Node node, GraphScope scope, int channels)
    {
        for (int side = 0; side < 2; side++)
        {
            if (!scope.TryGetFixed(node.Input(side), out var tensor) || tensor.DataType != DataType.Float || node.Input(1 - side) is not { } data || scope.TryGetFixed(data, out _)) continue;
            double[] elements = FloatingPointData.Read(tensor);
            if (elements.Length == 1 && tensor.Rank <= 1) return new(data, side, tensor, [.. Enumerable.Repeat(elements[0], channels)]);
            int? rank = data.TensorType?.Shape?.Rank;
            bool perChannel = elements.Length == channels && ((tensor.Rank == 3 && tensor.Dims[0] == channels && rank is null or 4) || (tensor.Rank == 4 && tensor.Dims[1] == channels));
            if (perChannel) return new(data, side, tensor, elements);
        }

        return null;
    }
}
