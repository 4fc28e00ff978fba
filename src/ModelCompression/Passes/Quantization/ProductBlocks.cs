using ModelCompression.Analysis;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization;

/// <summary>A matrix of 8-bit codes in the layout of com.microsoft <c>MatMulNBits</c>: uint8 [N, ⌈K / block⌉, block], middle code 128, scales [N, ⌈K / block⌉].</summary>
/// <remarks>
/// ONNX Runtime makes the same operator of DequantizeLinear and MatMul, with blocks of 32, when a session is created: it transposes all codes on the way and repeats the scales. In blocks of 128 that are in
/// the file already, a model of BERT-base's shape opens in less than half of the time and runs 1.3 times as fast. Activations are rounded per block:
/// with channels 5 to 60 times as large as others, blocks of 128 lost 1.2 dB at most against those of 32, blocks of 256 1.8
/// (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits).
/// Where blocks are full, each has a scale of its own: 3 % more bytes in blocks of 128, for about 5 dB. Otherwise one scale per channel is stored, and repeated for its blocks by constant folding.
/// </remarks>
/// <param name="Rows">N.</param>
/// <param name="Length">K.</param>
/// <param name="BlockLength">Codes of a block: a power of two from 16 to 128.</param>
/// <param name="IsTransposed">True where the model's weight is [N, K] already, as Gemm with <c>transB</c> takes it, false where it is [K, N].</param>
internal sealed record ProductBlocks(int Rows, int Length, int BlockLength, bool IsTransposed)
{
    private const int ShortestBlock = 16, LongestBlock = 128;

    /// <summary>Shorter blocks with scales of their own would take a quarter more bytes.</summary>
    private const int ShortestScaledBlock = 32;

    /// <summary>A row may grow by this part where its last block is not full.</summary>
    private const int LeastPartPerFiller = 64;

    /// <summary>ONNX Runtime computes no constant of more bytes ahead, so the codes behind an Identity would not be known when the kernel packs them.</summary>
    private const long MaxByteLength = 1L << 30;

    /// <summary>Expand, which repeats scales.</summary>
    private const long ExpandOpset = 8;

    /// <summary>The zero point of an operator without zero points.</summary>
    private const byte MiddleCode = 128;

    /// <summary>True when each block has a scale of its own, false when all blocks of a channel, or of the matrix, share one.</summary>
    public bool HasOwnScales { get; private init; }

    /// <summary>Blocks of a row.</summary>
    public int Count => (Length + BlockLength - 1) / BlockLength;

    /// <summary>Shape of the codes.</summary>
    public long[] Codes => [Rows, Count, BlockLength];

    /// <summary>Attributes of the operator. Activations are rounded to 8 bits, as in what ONNX Runtime makes itself (<c>accuracy_level</c> 4).</summary>
    public NodeAttribute[] Attributes => RuntimeOperators.ProductAttributes(Length, Rows, 8, BlockLength, computesWithIntegers: true);

    /// <summary>The layout of a weight whose consumers are all <c>MatMul(A, weight)</c> or a <c>Gemm</c> that multiplies and adds, or null where the operator does not fit.</summary>
    /// <param name="site">The weight.</param>
    /// <param name="axes">Axes along which scales vary.</param>
    /// <param name="target">The graph that owns it.</param>
    public static ProductBlocks? TryMake(WeightSite site, IReadOnlyList<int> axes, GraphTarget target)
    {
        var weight = site.Tensor;
        if (!RuntimeOperators.Takes(weight.DataType) || target.Opset < ExpandOpset || target.IsInFunction) return null;
        if (!site.HasCommonChannelAxes || site.Uses.Any(u => RuntimeOperators.WhyNoProduct(u, weight) is not null)) return null;
        int channel = site.Uses[0].ChannelAxes[0];
        if (axes.Any(a => a != channel)) return null;
        int length = (int)weight.Dims[1 - channel];
        for (int block = LongestBlock; block >= ShortestBlock; block /= 2)
        {
            int fillers = (int)(-(long)length & (block - 1));
            if ((long)fillers * LeastPartPerFiller > length) continue;
            var blocks = new ProductBlocks((int)weight.Dims[channel], length, block, IsTransposed: channel == 0);
            return Tensor.CountElements(blocks.Codes) <= MaxByteLength ? blocks : null;
        }

        return null;
    }

    /// <summary>The same with a scale per block, where all blocks are full and not too short.</summary>
    public ProductBlocks WithOwnScales() => Length % BlockLength == 0 && BlockLength >= ShortestScaledBlock ? this with { HasOwnScales = true } : this;

    /// <summary>Which elements of the weight share a scale.</summary>
    /// <param name="perChannel">The same without blocks.</param>
    public ChannelLayout LayoutOf(ChannelLayout perChannel) =>
        !HasOwnScales ? perChannel : IsTransposed ? new(1, checked(Rows * Count), BlockLength) : new(BlockLength, Rows, 1, Count);

    /// <summary>True when scales are repeated for all blocks.</summary>
    /// <param name="scaleCount">Scales of the matrix: one, N, or as many as there are blocks.</param>
    public bool Repeats(int scaleCount) => scaleCount != Rows * Count;

    /// <summary>Scales as the operator takes them, or, when they are repeated, [scales, 1].</summary>
    /// <param name="scales">In the order of <see cref="LayoutOf"/>.</param>
    public Tensor Arrange(float[] scales)
    {
        if (Repeats(scales.Length)) return Tensor.Float([scales.Length, 1], scales);
        if (!HasOwnScales || IsTransposed) return Tensor.Float([Rows, Count], scales);
        float[] arranged = new float[scales.Length];
        for (int n = 0, i = 0; n < Rows; n++)
            for (int block = 0; block < Count; block++) arranged[i++] = scales[(block * Rows) + n];
        return Tensor.Float([Rows, Count], arranged);
    }

    /// <summary>Quantizes a weight into the order of the operator.</summary>
    /// <param name="weight">binary32, all elements finite.</param>
    /// <param name="layout">See <see cref="LayoutOf"/>.</param>
    /// <param name="maps">One per scale.</param>
    /// <param name="codes">Allowed codes; symmetric ones are stored with <see cref="MiddleCode"/> added, the operator's zero point.</param>
    /// <param name="threads">Most threads, or −1 for all.</param>
    public (Tensor Codes, QuantizationNoise Noise) Encode(Tensor weight, ChannelLayout layout, AffineScale[] maps, CodeRange codes, int threads)
    {
        int pitch = Count * BlockLength;
        var data = RecycledMemory.Shared.Allocate(checked(Rows * pitch));
        var rows = data.Memory;
        // Flipping the sign bit adds 128.
        byte flipped = codes.IsSymmetric ? MiddleCode : (byte)0;
        var noise = IsTransposed ? AffineQuantizer.QuantizeRows(weight, layout, maps, codes, flipped, rows, pitch, threads) : AffineQuantizer.QuantizeTransposed(weight, layout, maps, codes, flipped, rows, pitch, threads);
        for (int n = 0; n < Rows && pitch > Length; n++) rows.Span.Slice((n * pitch) + Length, pitch - Length).Fill(MiddleCode);
        return (new Tensor(DataType.UInt8, Codes, data), noise);
    }

    /// <summary>Finds scales and codes at once, for symmetric codes with scales of their own; null when the weight has NaN or infinite elements.</summary>
    /// <param name="weight">binary32 [K, N].</param>
    /// <param name="codes">Allowed codes.</param>
    /// <param name="threads">Most threads, or −1 for all.</param>
    public EncodedWeight? TryEncode(Tensor weight, CodeRange codes, int threads)
    {
        var data = RecycledMemory.Shared.Allocate(checked(Rows * Length));
        if (BlockMatrixQuantizer.TryQuantize(weight, BlockLength, codes, MiddleCode, data.Memory, threads) is not var (scales, noise, zeros)) return null;
        return new(new Tensor(DataType.UInt8, Codes, data), scales, new int[scales.Length], noise) { NonZeroCount = weight.ElementCount - zeros };
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
