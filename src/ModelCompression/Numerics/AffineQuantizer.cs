using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using ModelCompression.Onnx.Tensors;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace ModelCompression.Numerics;

/// <summary>Turns binary32 tensors into codes and measures the loss on the way.</summary>
/// <remarks>
/// code = clamp(round(x / scale) + zero point) in binary32 with ties to even, as ONNX's QuantizeLinear and ONNX Runtime's tools compute it. The loss is that of
/// (code − zero point)·scale in binary32, which is what a runtime computes. Energies are summed in binary64 in fixed blocks of 256-bit vectors, so they are the
/// same bits for any number of threads and on any processor. The loops are compiled optimised at once: a build runs them once, before tiered compilation would
/// get to them.
/// </remarks>
internal static class AffineQuantizer
{
    /// <summary>Codes in one loop iteration: four vectors, which narrow to one vector of bytes.</summary>
    private const int Step = 32;

    /// <summary>Part of a matrix that is transposed at once: a cache line of the result times what a core's second-level cache holds.</summary>
    private const int TileRows = 64, TileColumns = 1024;

    /// <summary>Quantizes a tensor to codes of at most 8 bits.</summary>
    /// <param name="tensor">Type <see cref="DataType.Float"/>, all elements finite.</param>
    /// <param name="layout">Channels.</param>
    /// <param name="scales">One per scale number.</param>
    /// <param name="codes">Allowed codes.</param>
    /// <param name="output">Receives one byte per element: int8 for symmetric codes, else uint8.</param>
    /// <param name="threads">Most threads, or −1 for all.</param>
    public static QuantizationNoise Quantize(Tensor tensor, ChannelLayout layout, AffineScale[] scales, CodeRange codes, byte[] output, int threads = -1) =>
        Quantize<ByteSink>(tensor, layout, scales, codes, output, threads);

    /// <summary>Quantizes a tensor to codes of at most 16 bits: two bytes per element, int16 little-endian.</summary>
    /// <inheritdoc cref="Quantize(Tensor, ChannelLayout, AffineScale[], CodeRange, byte[], int)"/>
    public static QuantizationNoise QuantizeWide(Tensor tensor, ChannelLayout layout, AffineScale[] scales, CodeRange codes, byte[] output, int threads = -1) =>
        Quantize<Int16Sink>(tensor, layout, scales, codes, output, threads);

    /// <summary>Quantizes a matrix to codes of at most 8 bits and transposes it, without the codes in their first order ever being in memory.</summary>
    /// <param name="matrix">Type <see cref="DataType.Float"/>, [K, N], all elements finite.</param>
    /// <param name="layout">One channel, or the columns.</param>
    /// <param name="scales">One per scale number.</param>
    /// <param name="codes">Allowed codes.</param>
    /// <param name="flipped">Bits to invert in every code.</param>
    /// <param name="output">Receives N rows of K bytes.</param>
    /// <param name="pitch">Their distance, at least K.</param>
    /// <param name="threads">Most threads, or −1 for all.</param>
    public static QuantizationNoise QuantizeTransposed(Tensor matrix, ChannelLayout layout, AffineScale[] scales, CodeRange codes, byte flipped, Memory<byte> output, int pitch, int threads = -1)
    {
        int length = (int)matrix.Dims[0], columns = (int)matrix.Dims[1], across = (columns + TileColumns - 1) / TileColumns;
        var pattern = ScalePattern.Of(layout, scales);
        var parts = new QuantizationNoise[(length + TileRows - 1) / TileRows * across];
        bool isOrdinary = NarrowSums.Takes(scales);
        Parallel.For(0, parts.Length, new ParallelOptions { MaxDegreeOfParallelism = threads }, () => ArrayPool<byte>.Shared.Rent(TileRows * TileColumns), (tile, _, buffer) =>
        {
            int top = tile / across * TileRows, left = tile % across * TileColumns;
            int rows = Math.Min(TileRows, length - top), width = Math.Min(TileColumns, columns - left);
            var elements = matrix.AsSpan<float>();
            for (int r = 0; r < rows; r++)
            {
                int start = ((top + r) * columns) + left;
                var part = elements.Slice(start, width);
                var target = buffer.AsSpan(r * width, width);
                parts[tile] += isOrdinary ? QuantizeBlock<ByteSink, NarrowSums>(part, start, pattern, codes, target) : QuantizeBlock<ByteSink, WideSums>(part, start, pattern, codes, target);
            }

            MatrixBytes.Transpose(buffer.AsSpan(0, rows * width), output.Span[((left * pitch) + top)..], rows, width, pitch, flipped);
            return buffer;
        }, buffer => ArrayPool<byte>.Shared.Return(buffer));
        return Sum(parts);
    }

    /// <summary>Quantizes a matrix to codes of at most 8 bits, its rows as far apart as wanted.</summary>
    /// <param name="matrix">Type <see cref="DataType.Float"/>, [N, K], all elements finite.</param>
    /// <param name="layout">One channel, or the rows or equal parts of them.</param>
    /// <param name="scales">One per scale number.</param>
    /// <param name="codes">Allowed codes.</param>
    /// <param name="flipped">Bits to invert in every code.</param>
    /// <param name="output">Receives N rows of K bytes.</param>
    /// <param name="pitch">Their distance, at least K.</param>
    /// <param name="threads">Most threads, or −1 for all.</param>
    public static QuantizationNoise QuantizeRows(Tensor matrix, ChannelLayout layout, AffineScale[] scales, CodeRange codes, byte flipped, Memory<byte> output, int pitch, int threads = -1)
    {
        int rows = (int)matrix.Dims[0], length = (int)matrix.Dims[1], together = Math.Max(1, ElementBlocks.ElementCount / length);
        var pattern = ScalePattern.Of(layout, scales);
        var parts = new QuantizationNoise[(rows + together - 1) / together];
        bool isOrdinary = NarrowSums.Takes(scales);
        Parallel.For(0, parts.Length, new ParallelOptions { MaxDegreeOfParallelism = threads }, part =>
        {
            for (int r = part * together; r < Math.Min(rows, (part + 1) * together); r++)
            {
                var row = matrix.AsSpan<float>().Slice(r * length, length);
                var target = output.Span.Slice(r * pitch, length);
                parts[part] += isOrdinary ? QuantizeBlock<ByteSink, NarrowSums>(row, r * length, pattern, codes, target) : QuantizeBlock<ByteSink, WideSums>(row, r * length, pattern, codes, target);
                TensorPrimitives.Xor(target, flipped, target);
            }
        });
        return Sum(parts);
    }

    /// <summary>Quantizes elements of one scale each to codes of at most 8 bits.</summary>
    /// <param name="elements">Finite.</param>
    /// <param name="scales">One per element.</param>
    /// <param name="zeroPoints">One per element.</param>
    /// <param name="codes">Allowed codes.</param>
    /// <param name="output">One byte per element.</param>
    /// <param name="isOrdinary">Whether <see cref="IsOrdinary"/> is true of all scales.</param>
    public static QuantizationNoise QuantizeRow(ReadOnlySpan<float> elements, ReadOnlySpan<float> scales, ReadOnlySpan<float> zeroPoints, CodeRange codes, Span<byte> output, bool isOrdinary)
    {
        if (isOrdinary)
        {
            var sums = default(NarrowSums);
            QuantizeRow<ByteSink, NarrowSums>(elements, scales, zeroPoints, codes, output, ref sums);
            return sums.Total;
        }

        var wide = default(WideSums);
        QuantizeRow<ByteSink, WideSums>(elements, scales, zeroPoints, codes, output, ref wide);
        return wide.Total;
    }

    /// <summary>True for scales whose squares are far from the ends of binary32, so that errors may be summed in fewer operations.</summary>
    public static bool IsOrdinary(float scale) => scale is > 1e-15f and < 1e15f;

    private static QuantizationNoise Quantize<TSink>(Tensor tensor, ChannelLayout layout, AffineScale[] scales, CodeRange codes, byte[] output, int threads)
        where TSink : struct, ICodeSink
    {
        if (layout.Groups == 1) return QuantizeGroup<TSink>(tensor, 0, layout, scales, codes, output, threads);
        var parts = new QuantizationNoise[layout.Groups];
        Parallel.For(0, layout.Groups, new ParallelOptions { MaxDegreeOfParallelism = threads }, g =>
            parts[g] = QuantizeGroup<TSink>(tensor, g * layout.GroupLength, layout.OneGroup(), scales[(g * layout.Channels)..((g + 1) * layout.Channels)], codes, output, 1));
        return Sum(parts);
    }

    private static QuantizationNoise QuantizeGroup<TSink>(Tensor tensor, int offset, ChannelLayout layout, AffineScale[] scales, CodeRange codes, byte[] output, int threads)
        where TSink : struct, ICodeSink
    {
        int count = layout.ElementCount;
        var pattern = ScalePattern.Of(layout, scales);
        var parts = new QuantizationNoise[ElementBlocks.Count(count)];
        ElementBlocks.ForEach(count, threads, block =>
        {
            (int start, int length) = ElementBlocks.At(block, count);
            var target = output.AsSpan((offset + start) * TSink.CodeByteLength, length * TSink.CodeByteLength);
            parts[block] = QuantizeBlock<TSink, WideSums>(tensor.AsSpan<float>().Slice(offset + start, length), start, pattern, codes, target);
        });
        return Sum(parts);
    }

    private static QuantizationNoise Sum(QuantizationNoise[] parts)
    {
        var total = default(QuantizationNoise);
        foreach (var part in parts) total += part;
        return total;
    }

    private static QuantizationNoise QuantizeBlock<TSink, TSums>(ReadOnlySpan<float> elements, int start, ScalePattern pattern, CodeRange codes, Span<byte> output)
        where TSink : struct, ICodeSink
        where TSums : struct, IEnergySums
    {
        var sums = default(TSums);
        while (!elements.IsEmpty)
        {
            int within = start % pattern.Period;
            int length = Math.Min(pattern.Period - within, elements.Length);
            if (pattern.IsConstantInPeriod) QuantizeRun<TSink, TSums>(elements[..length], pattern.ScaleOfPeriod(start / pattern.Period), codes, output, ref sums);
            else QuantizeRow<TSink, TSums>(elements[..length], pattern.Scales.AsSpan(within, length), pattern.ZeroPoints.AsSpan(within, length), codes, output, ref sums);
            elements = elements[length..];
            output = output[(length * TSink.CodeByteLength)..];
            start += length;
        }

        return sums.Total;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void QuantizeRun<TSink, TSums>(ReadOnlySpan<float> elements, AffineScale scale, CodeRange codes, Span<byte> output, ref TSums total)
        where TSink : struct, ICodeSink
        where TSums : struct, IEnergySums
    {
        var sums = total;
        var vectors = MemoryMarshal.Cast<float, Vector256<float>>(elements);
        var step = Vector256.Create(scale.Scale);
        var zero = Vector256.Create((float)scale.ZeroPoint);
        var low = Vector256.Create((float)codes.Lowest);
        var high = Vector256.Create((float)codes.Highest);
        int done = 0;
        for (; done <= elements.Length - Step; done += Step)
        {
            int v = done / Vector256<float>.Count;
            var a = Encode(vectors[v], step, zero, low, high, out var errorOfA);
            var b = Encode(vectors[v + 1], step, zero, low, high, out var errorOfB);
            var c = Encode(vectors[v + 2], step, zero, low, high, out var errorOfC);
            var d = Encode(vectors[v + 3], step, zero, low, high, out var errorOfD);
            sums.Add(vectors[v], errorOfA, vectors[v + 1], errorOfB, vectors[v + 2], errorOfC, vectors[v + 3], errorOfD);
            TSink.Write(a, b, c, d, output[(done * TSink.CodeByteLength)..]);
        }

        for (; done < elements.Length; done++)
            TSink.Write(EncodeOne(elements[done], scale.Scale, scale.ZeroPoint, codes, ref sums), output[(done * TSink.CodeByteLength)..]);
        total = sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void QuantizeRow<TSink, TSums>(ReadOnlySpan<float> elements, ReadOnlySpan<float> scales, ReadOnlySpan<float> zeroPoints, CodeRange codes, Span<byte> output, ref TSums total)
        where TSink : struct, ICodeSink
        where TSums : struct, IEnergySums
    {
        var sums = total;
        var vectors = MemoryMarshal.Cast<float, Vector256<float>>(elements);
        var steps = MemoryMarshal.Cast<float, Vector256<float>>(scales);
        var zeros = MemoryMarshal.Cast<float, Vector256<float>>(zeroPoints);
        var low = Vector256.Create((float)codes.Lowest);
        var high = Vector256.Create((float)codes.Highest);
        int done = 0;
        for (; done <= elements.Length - Step; done += Step)
        {
            int v = done / Vector256<float>.Count;
            var a = Encode(vectors[v], steps[v], zeros[v], low, high, out var errorOfA);
            var b = Encode(vectors[v + 1], steps[v + 1], zeros[v + 1], low, high, out var errorOfB);
            var c = Encode(vectors[v + 2], steps[v + 2], zeros[v + 2], low, high, out var errorOfC);
            var d = Encode(vectors[v + 3], steps[v + 3], zeros[v + 3], low, high, out var errorOfD);
            sums.Add(vectors[v], errorOfA, vectors[v + 1], errorOfB, vectors[v + 2], errorOfC, vectors[v + 3], errorOfD);
            TSink.Write(a, b, c, d, output[(done * TSink.CodeByteLength)..]);
        }

        for (; done < elements.Length; done++)
            TSink.Write(EncodeOne(elements[done], scales[done], (int)zeroPoints[done], codes, ref sums), output[(done * TSink.CodeByteLength)..]);
        total = sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Encode(Vector256<float> x, Vector256<float> step, Vector256<float> zero, Vector256<float> low, Vector256<float> high, out Vector256<float> error)
    {
        var code = Vector256.MinNative(Vector256.MaxNative(Vector256.Round(x / step) + zero, low), high);
        error = x - ((code - zero) * step);
        return Vector256.ConvertToInt32Native(code);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int EncodeOne<TSums>(float x, float step, int zeroPoint, CodeRange codes, ref TSums sums)
        where TSums : struct, IEnergySums
    {
        float code = Math.Clamp(MathF.Round(x / step) + zeroPoint, codes.Lowest, codes.Highest);
        sums.Add(x, x - ((code - zeroPoint) * step));
        return (int)code;
    }

    /// <summary>Sums of squares of elements and of their errors; implemented by structs so that the loops are specialised.</summary>
    private interface IEnergySums
    {
        QuantizationNoise Total { get; }

        /// <summary>Adds 32 elements.</summary>
        void Add(Vector256<float> a, Vector256<float> errorOfA, Vector256<float> b, Vector256<float> errorOfB, Vector256<float> c, Vector256<float> errorOfC, Vector256<float> d, Vector256<float> errorOfD);

        /// <summary>Adds one element.</summary>
        void Add(float x, float error);
    }

    /// <summary>Sums in binary64, four lanes each, plus the scalar tails.</summary>
    private struct WideSums : IEnergySums
    {
        private Vector256<double> signal;
        private Vector256<double> noise;
        private double tailSignal;
        private double tailNoise;

        public readonly QuantizationNoise Total => new(
            ((signal[0] + signal[1]) + (signal[2] + signal[3])) + tailSignal,
            ((noise[0] + noise[1]) + (noise[2] + noise[3])) + tailNoise);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(Vector256<float> a, Vector256<float> errorOfA, Vector256<float> b, Vector256<float> errorOfB, Vector256<float> c, Vector256<float> errorOfC, Vector256<float> d, Vector256<float> errorOfD)
        {
            Add(a, errorOfA);
            Add(b, errorOfB);
            Add(c, errorOfC);
            Add(d, errorOfD);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(float x, float error)
        {
            tailSignal += (double)x * x;
            tailNoise += (double)error * error;
        }

        /// <summary>Adds sums of squares.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void AddSquares(Vector256<float> ofElements, Vector256<float> ofErrors)
        {
            (var xLow, var xHigh) = Vector256.Widen(ofElements);
            (var eLow, var eHigh) = Vector256.Widen(ofErrors);
            signal += xLow + xHigh;
            noise += eLow + eHigh;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Add(Vector256<float> x, Vector256<float> error)
        {
            (var xLow, var xHigh) = Vector256.Widen(x);
            (var eLow, var eHigh) = Vector256.Widen(error);
            signal += (xLow * xLow) + (xHigh * xHigh);
            noise += (eLow * eLow) + (eHigh * eHigh);
        }
    }

    /// <summary>Squares of four elements are added in binary32, their sums in binary64: no more than a few units in the seventh digit apart, in a third of the operations. For scales whose squares are far from the ends of binary32.</summary>
    private struct NarrowSums : IEnergySums
    {
        private WideSums wide;

        public readonly QuantizationNoise Total => wide.Total;

        public static bool Takes(AffineScale[] scales) => Array.TrueForAll(scales, s => IsOrdinary(s.Scale));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(Vector256<float> a, Vector256<float> errorOfA, Vector256<float> b, Vector256<float> errorOfB, Vector256<float> c, Vector256<float> errorOfC, Vector256<float> d, Vector256<float> errorOfD) =>
            wide.AddSquares(((a * a) + (b * b)) + ((c * c) + (d * d)), ((errorOfA * errorOfA) + (errorOfB * errorOfB)) + ((errorOfC * errorOfC) + (errorOfD * errorOfD)));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(float x, float error) => wide.Add(x, error);
    }
}
