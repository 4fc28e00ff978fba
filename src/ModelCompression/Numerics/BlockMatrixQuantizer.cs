using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Numerics;

/// <summary>
/// Quantizes a matrix symmetrically to 8 bits with a scale for each column of each block of rows, and transposes the codes. Ranges are found and elements rounded tile by tile:
/// a tile stays in a core's cache in between, and nothing of the matrix's size but the codes is written.
/// </summary>
/// <remarks>Scales, codes and errors are those of <see cref="ChannelRanges"/>, <see cref="AffineScale.Covering"/> and <see cref="AffineQuantizer"/>, whatever the number of threads.</remarks>
internal sealed class BlockMatrixQuantizer
{
    /// <summary>Columns of a tile: with blocks of 128 rows half a megabyte of floats.</summary>
    private const int TileColumns = 1024;

    [ThreadStatic]
    private static Space? ownSpace;

    private readonly Tensor matrix;
    private readonly int blockLength;
    private readonly CodeRange codes;
    private readonly byte flipped;
    private readonly Memory<byte> output;
    private readonly float[] scales;
    private readonly int rows;
    private readonly int columns;
    private readonly int across;
    private readonly QuantizationNoise[] noises;
    private readonly long[] zeros;
    private readonly long[] zeroCodes;
    private int isWrong;

    private BlockMatrixQuantizer(Tensor matrix, int blockLength, CodeRange codes, byte flipped, Memory<byte> output)
    {
        this.matrix = matrix;
        this.blockLength = blockLength;
        this.codes = codes;
        this.flipped = flipped;
        this.output = output;
        (rows, columns) = ((int)matrix.Dims[0], (int)matrix.Dims[1]);
        across = (columns + TileColumns - 1) / TileColumns;
        scales = new float[rows / blockLength * columns];
        int tiles = rows / blockLength * across;
        (noises, zeros, zeroCodes) = (new QuantizationNoise[tiles], new long[tiles], new long[tiles]);
    }

    /// <summary>Quantizes a matrix; null when it has NaN or infinite elements.</summary>
    /// <param name="matrix">Type <see cref="DataType.Float"/>, [K, N]. Its elements other than zero are counted, too.</param>
    /// <param name="blockLength">Rows of a block; K is a multiple of it.</param>
    /// <param name="codes">Symmetric codes of 8 bits.</param>
    /// <param name="flipped">Bits to invert in every code.</param>
    /// <param name="output">Receives N rows of K bytes.</param>
    /// <param name="threads">Most threads, or −1 for all.</param>
    /// <returns>Scales [K / block, N], the loss, and how many codes are zero.</returns>
    public static (float[] Scales, QuantizationNoise Noise, long ZeroCodes)? TryQuantize(Tensor matrix, int blockLength, CodeRange codes, byte flipped, Memory<byte> output, int threads = -1)
    {
        var work = new BlockMatrixQuantizer(matrix, blockLength, codes, flipped, output);
        Parallel.For(0, work.noises.Length, new ParallelOptions { MaxDegreeOfParallelism = threads }, work.Quantize);
        if (work.isWrong != 0) return null;
        matrix.NonZeroCount = matrix.ElementCount - work.zeros.Sum();
        var noise = default(QuantizationNoise);
        foreach (var part in work.noises) noise += part;
        return (work.scales, noise, work.zeroCodes.Sum());
    }

    private void Quantize(int tile)
    {
        (int block, int left) = (tile / across, tile % across * TileColumns);
        int width = Math.Min(TileColumns, columns - left);
        var elements = matrix.AsSpan<float>()[((block * blockLength * columns) + left)..];
        var space = (ownSpace ??= new()).Of(width, blockLength);
        for (int r = 0; r < blockLength; r++) space.Ranges.Add(elements.Slice(r * columns, width), 0);
        if (!space.Ranges.AllFinite)
        {
            Volatile.Write(ref isWrong, 1);
            return;
        }

        zeros[tile] = space.Ranges.Zeros;
        bool isOrdinary = true;
        for (int c = 0; c < width; c++)
        {
            float scale = space.Scales[c] = AffineScale.Covering(space.Ranges.Lowest[c], space.Ranges.Highest[c], codes).Scale;
            isOrdinary &= AffineQuantizer.IsOrdinary(scale);
        }

        space.Scales.AsSpan(0, width).CopyTo(scales.AsSpan((block * columns) + left));
        var found = space.Codes.AsSpan(0, blockLength * width);
        for (int r = 0; r < blockLength; r++)
            noises[tile] += AffineQuantizer.QuantizeRow(elements.Slice(r * columns, width), space.Scales.AsSpan(0, width), space.ZeroPoints.AsSpan(0, width), codes, found.Slice(r * width, width), isOrdinary);
        zeroCodes[tile] = found.Count((byte)0);
        MatrixBytes.Transpose(found, output.Span[((left * rows) + (block * blockLength))..], blockLength, width, rows, flipped);
    }

    /// <summary>What a thread needs for a tile.</summary>
    private sealed class Space
    {
        public RangeAccumulator Ranges { get; private set; } = new(new ChannelLayout(1, 1, 1));

        public float[] Scales { get; private set; } = [];

        /// <summary>All zero.</summary>
        public float[] ZeroPoints { get; private set; } = [];

        public byte[] Codes { get; private set; } = [];

        public Space Of(int width, int blockLength)
        {
            if (Scales.Length != width)
            {
                Ranges = new(new ChannelLayout(blockLength, width, 1));
                (Scales, ZeroPoints) = (new float[width], new float[width]);
            }
            else Ranges.Clear();

            if (Codes.Length < blockLength * width) Codes = new byte[blockLength * width];
            return this;
        }
    }
}
