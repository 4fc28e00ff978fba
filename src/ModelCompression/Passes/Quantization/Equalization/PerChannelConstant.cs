using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Quantization.Equalization;

/// <summary>Constants with one element per channel.</summary>
internal static class PerChannelConstant
{
    /// <summary>True for [1, …, channels, 1, …] with a given number of trailing axes.</summary>
    public static bool Fits(Tensor tensor, int channels, int trailing)
    {
        int at = tensor.Rank - 1 - trailing;
        return at >= 0 && tensor.ElementCount == channels && tensor.Dims[at] == channels;
    }

    /// <summary>Divides such a constant for one of its uses; other uses keep it as it is.</summary>
    public static void Divide(Use use, IReadOnlyList<double> divisors, GraphScope scope)
    {
        var value = use.Node.Input(use.Index)!;
        scope.TryGetFixed(value, out var tensor);
        float[] elements = tensor!.AsSpan<float>().ToArray();
        for (int c = 0; c < elements.Length; c++) elements[c] = (float)(elements[c] / divisors[c]);
        Exchange(use, Tensor.Float(tensor.Dims, elements), scope);
    }

    /// <summary>Lets one use of a constant have another content.</summary>
    public static void Exchange(Use use, Tensor tensor, GraphScope scope)
    {
        var value = use.Node.Input(use.Index)!;
        bool own = value.Uses.Count == 1 && !value.IsGraphOutput && !value.IsReferencedByName && value.Graph == scope.Graph;
        if (own) ConstantStorage.Replace(value, tensor);
        else use.Node.SetInput(use.Index, ConstantStorage.Add(scope, value.Name, tensor, use.Node));
    }
}
