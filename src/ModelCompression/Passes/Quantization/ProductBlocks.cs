using ModelCompression.Analysis;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization;

/// <summary>A matrix [K, N] of 8-bit codes in the layout of com.microsoft <c>MatMulNBits</c>: uint8 [N, ⌈K / block⌉, block], middle code 128, scales [N, ⌈K / block⌉].</summary>
/// <remarks>
/// ONNX Runtime makes the same operator of DequantizeLinear and MatMul, with blocks of 32, when a session is created: it transposes all codes on the way and repeats the scales. In blocks of 128 that are in
/// the file already, a model of BERT-base's shape opens in a third of the time and runs 1.3 times as fast; one scale per channel is stored, and repeated for its blocks by constant folding. Activations are rounded per block:
/// with channels 5 to 60 times as large as others, blocks of 128 lost 1.2 dB at most against those of 32, blocks of 256 1.8
/// (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits).
/// </remarks>
/// <param name="Rows">N.</param>
/// <param name="Length">K.</param>
/// <param name="BlockLength">Codes of a block: a power of two from 16 to 128.</param>
internal sealed record ProductBlocks(int Rows, int Length, int BlockLength)
{
    private const int ShortestBlock = 16, LongestBlock = 128;

    /// <summary>A row may grow by this part where its last block is not full.</summary>
    private const int LeastPartPerFiller = 64;

    /// <summary>ONNX Runtime computes no constant of more bytes ahead, so the codes behind an Identity would not be known when the kernel packs them.</summary>
    private const long MaxByteLength = 1L << 30;

    /// <summary>Expand, which repeats scales.</summary>
    private const long ExpandOpset = 8;

    /// <summary>The zero point of an operator without zero points.</summary>
    private const byte MiddleCode = 128;

    /// <summary>Blocks of a row.</summary>
    public int Count => (Length + BlockLength - 1) / BlockLength;

    /// <summary>Shape of the codes.</summary>
    public long[] Codes => [Rows, Count, BlockLength];

    /// <summary>Attributes of the operator. Activations are rounded to 8 bits, as in what ONNX Runtime makes itself (<c>accuracy_level</c> 4).</summary>
    public NodeAttribute[] Attributes => RuntimeOperators.ProductAttributes(Length, Rows, 8, BlockLength, computesWithIntegers: true);

    /// <summary>The layout of a weight whose consumers are all <c>MatMul(A, weight)</c>, or null where the operator does not fit.</summary>
    /// <param name="site">The weight.</param>
    /// <param name="axes">Axes along which scales vary.</param>
    /// <param name="target">The graph that owns it.</param>
    public static ProductBlocks? TryMake(WeightSite site, IReadOnlyList<int> axes, GraphTarget target)
    {
        var weight = site.Tensor;
        bool fits = weight.Rank == 2 && axes is [] or [1] && RuntimeOperators.Takes(weight.DataType) && target.Opset >= ExpandOpset && !target.IsInFunction;
        if (!fits || !site.Uses.All(u => u.InputIndex == 1 && u.Node.Is("MatMul"))) return null;
        int length = (int)weight.Dims[0];
        for (int block = LongestBlock; block >= ShortestBlock; block /= 2)
        {
            int fillers = (int)(-(long)length & (block - 1));
            if ((long)fillers * LeastPartPerFiller > length) continue;
            var blocks = new ProductBlocks((int)weight.Dims[1], length, block);
            return Tensor.CountElements(blocks.Codes) <= MaxByteLength ? blocks : null;
        }

        return null;
    }

    /// <summary>True when scales are repeated for all blocks.</summary>
    /// <param name="scaleCount">Scales of the matrix: one, or N.</param>
    public bool Repeats(int scaleCount) => Count > 1 || scaleCount != Rows;

    /// <summary>Quantizes a weight into the order of the operator.</summary>
    /// <param name="weight">binary32 [K, N], all elements finite.</param>
    /// <param name="layout">Its channels.</param>
    /// <param name="maps">One per scale.</param>
    /// <param name="codes">Allowed codes; symmetric ones are stored with <see cref="MiddleCode"/> added, the operator's zero point.</param>
    /// <param name="threads">Most threads, or −1 for all.</param>
    public (Tensor Codes, QuantizationNoise Noise) Encode(Tensor weight, ChannelLayout layout, AffineScale[] maps, CodeRange codes, int threads)
    {
        int pitch = Count * BlockLength;
        byte[] rows = GC.AllocateUninitializedArray<byte>(checked(Rows * pitch));
        // Flipping the sign bit adds 128.
        var noise = AffineQuantizer.QuantizeTransposed(weight, layout, maps, codes, codes.IsSymmetric ? MiddleCode : (byte)0, rows, pitch, threads);
        for (int n = 0; n < Rows && pitch > Length; n++) rows.AsSpan((n * pitch) + Length, pitch - Length).Fill(MiddleCode);
        return (Tensor.Create(DataType.UInt8, Codes, rows), noise);
    }

    /// <summary>Elements that do not have the code of zero.</summary>
    /// <param name="codes">What <see cref="Encode"/> has made.</param>
    /// <param name="zeroPoints">Zero points without what was added: one, or N.</param>
    /// <param name="isSymmetric">True for symmetric codes.</param>
    public long CountNonZeros(Tensor codes, int[] zeroPoints, bool isSymmetric)
    {
        long zeros = 0;
        for (int n = 0; n < Rows; n++)
            zeros += codes.AsSpan<byte>().Slice(n * Count * BlockLength, Length).Count(isSymmetric ? MiddleCode : (byte)zeroPoints[zeroPoints.Length == 1 ? 0 : n]);
        return ((long)Rows * Length) - zeros;
    }
}
