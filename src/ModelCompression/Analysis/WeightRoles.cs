using System.Diagnostics.CodeAnalysis;
using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis;

/// <summary>Knows which inputs of which operators are weights, and along which axes.</summary>
internal static class WeightRoles
{
    public static bool TryClassify(Node node, int index, Tensor tensor, [NotNullWhen(true)] out WeightUse? use)
    {
        use = (node.OpType, index) switch
        {
            ("Conv" or "FusedConv", 1) when tensor.Rank >= 3 => new(node, index, WeightRole.Convolution, [0], 1),
            ("ConvTranspose", 1) when tensor.Rank >= 3 => new(node, index, WeightRole.TransposedConvolution, [1], 0),
            ("Gemm" or "FusedGemm", 0 or 1) when tensor.Rank == 2 => Gemm(node, index),
            ("MatMul" or "FusedMatMul", 0 or 1) when tensor.Rank >= 2 => MatMul(node, index, tensor.Rank),
            ("Attention", 1) when node.Domain == "com.microsoft" && tensor.Rank == 2 => new(node, index, WeightRole.MatrixProduct, [1], 0),
            ("Einsum", _) when tensor.Rank >= 2 && node.Inputs.Count == 2 => Einsum(node, index, tensor.Rank),
            ("Gather", 0) when tensor.Rank == 2 && node.GetInt("axis", 0) is 0 or -2 => new(node, index, WeightRole.Embedding, [0], 1),
            ("LSTM" or "GRU" or "RNN", 1 or 2) when tensor.Rank == 3 => new(node, index, WeightRole.Recurrent, [0, 1], 2),
            _ => null,
        };
        if (use is not null && !node.IsOnnxDomain && node.Domain != "com.microsoft") use = null;
        return use is not null;
    }

    /// <summary>Axes that only the weight and the result have are channels, where they lie side by side at either end; an axis that the result lacks is summed over.</summary>
    private static WeightUse? Einsum(Node node, int index, int rank)
    {
        if (EinsumEquation.Split(node.GetString("equation", "")) is not var (terms, result) || result is null || terms.Length != 2 || terms[index].Length != rank || !terms[index].All(char.IsAsciiLetter) || terms[index].Distinct().Count() != rank) return null;
        int[] channels = [.. Enumerable.Range(0, rank).Where(a => result.Contains(terms[index][a]) && !terms[1 - index].Contains(terms[index][a]))];
        int[] summed = [.. Enumerable.Range(0, rank).Where(a => !result.Contains(terms[index][a]) && terms[1 - index].Contains(terms[index][a]))];
        if (channels.Length == 0 || summed.Length == 0 || channels[^1] - channels[0] != channels.Length - 1) return null;
        if (channels[0] == 0) return new(node, index, WeightRole.TensorProduct, channels, summed[0]);
        return channels[^1] == rank - 1 ? new(node, index, WeightRole.TensorProduct, channels, summed[^1]) : null;
    }

    private static WeightUse Gemm(Node node, int index)
    {
        bool transposed = node.GetInt(index == 0 ? "transA" : "transB", 0) != 0;
        int channel = (index == 1) ^ transposed ? 1 : 0;
        return new(node, index, WeightRole.MatrixProduct, [channel], 1 - channel);
    }

    private static WeightUse MatMul(Node node, int index, int rank)
    {
        bool transposed = node.GetInt(index == 0 ? "transA" : "transB", 0) != 0;
        int channel = (index == 1) ^ transposed ? rank - 1 : rank - 2;
        return new(node, index, WeightRole.MatrixProduct, [channel], channel == rank - 1 ? rank - 2 : rank - 1);
    }
}
