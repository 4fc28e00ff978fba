using System.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Packing;

/// <summary>Stores constants in fewer bytes as initializers and ordinary operators that unpack them when a session is created.</summary>
/// <remarks>
/// ONNX Runtime folds the operators away at its default optimization level: the running model is the one with plain initializers. The unpacked tensor equals
/// the given one in every bit. Relative indices with fillers and shared palettes: Han, Mao, Dally, "Deep Compression", ICLR 2016.
/// </remarks>
public static class TensorPacking
{
    /// <summary>ONNX Runtime folds no node whose output takes more than 1 GiB (since 1.27); int32 positions are the largest intermediate values of most forms.</summary>
    private const long MaxElementCount = (1L << 30) / sizeof(int);

    /// <summary>Chooses the form of <paramref name="tensor"/>.</summary>
    /// <remarks>8-bit tensors take their most frequent element as background, all others the value whose bits are zero (+0).</remarks>
    public static PackingPlan Plan(Tensor tensor, PackingRequest request)
    {
        if (WhyDense(tensor, request) is { } reason) return FormChooser.Dense(tensor, request, reason);
        return (tensor.DataType.BitWidth() / 8) switch
        {
            1 => Plan(new PackableElements<byte>(tensor), PackableTypes.MostFrequent(new PackableElements<byte>(tensor)), tensor, request),
            2 => Plan(new PackableElements<ushort>(tensor), (ushort)0, tensor, request),
            4 => Plan(new PackableElements<uint>(tensor), 0u, tensor, request),
            _ => Plan(new PackableElements<ulong>(tensor), 0ul, tensor, request),
        };
    }

    private static PackingPlan Plan<T>(PackableElements<T> elements, T background, Tensor tensor, PackingRequest request) where T : unmanaged, IBinaryInteger<T> =>
        new FormChooser<T>(elements, background, tensor, request).Choose();

    private static string? WhyDense(Tensor tensor, PackingRequest request)
    {
        // A handful of nodes takes more than this.
        const long MinByteLength = 256;
        if (PackableTypes.WhyNot(tensor.DataType) is { } reason) return reason;
        if (tensor.ElementCount > MaxElementCount) return FormattableString.Invariant($"more than {MaxElementCount} elements");
        if (tensor.ByteLength > 1L << 30) return "more than 1 GiB";
        if (request is { Storage: SparseStorage.Dense, AllowPalette: false }) return "";
        if (tensor.ByteLength < MinByteLength) return "too small to gain from packing";
        if (request.UseConstantNodes && ConstantNode.WhyNot(request.Opset, DataType.UInt8) is { } noIntegers) return noIntegers;
        return request.Opset < UnpackingOperators.MinOpset
            ? FormattableString.Invariant($"opset {request.Opset} cannot unpack; opset {UnpackingOperators.MinOpset} and later can")
            : null;
    }
}
