using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Numerics;

/// <summary>Turns binary32 tensors into one-byte codes and measures the loss on the way.</summary>
/// <remarks>
/// code = clamp(round(x / scale) + zero point) in binary32 with ties to even, as ONNX's QuantizeLinear and ONNX Runtime's tools compute it. The loss is that of
/// (code − zero point)·scale in binary32, which is what a runtime computes. Energies are summed in binary64 in fixed blocks of 256-bit vectors, so they are the
/// same bits for any number of threads and on any processor.
/// </remarks>
internal static class AffineQuantizer
{
    /// <summary>Quantizes a tensor.</summary>
    /// <param name="tensor">Type <see cref="DataType.Float"/>, all elements finite.</param>
    /// <param name="layout">Channels.</param>
    /// <param name="scales">One per channel.</param>
    /// <param name="codes">Allowed codes.</param>
    /// <param name="output">Receives one byte per element: int8 for symmetric codes, else uint8.</param>
    /// <param name="threads">Most threads, or −1 for all.</param>
    public static QuantizationNoise Quantize(Tensor tensor, ChannelLayout layout, AffineScale[] scales, CodeRange codes, byte[] output, int threads = -1)
    {
        int count = layout.ElementCount;
        var pattern = ScalePattern.Of(layout, scales);
        var parts = new QuantizationNoise[ElementBlocks.Count(count)];
        ElementBlocks.ForEach(count, threads, block =>
        {
            (int start, int length) = ElementBlocks.At(block, count);
            parts[block] = QuantizeBlock(tensor.AsSpan<float>().Slice(start, length), start, pattern, codes, output.AsSpan(start, length));
        });
        var total = default(QuantizationNoise);
        foreach (var part in parts) total += part;
        return total;
    }

    /// <summary>Restores a tensor: (code − zero point) · scale in binary32.</summary>
    /// <param name="codeBytes">int8 for symmetric codes, else uint8.</param>
    /// <param name="layout">Channels.</param>
    /// <param name="scales">One per channel.</param>
    /// <param name="codes">Range the codes were made for.</param>
    public static float[] Dequantize(ReadOnlySpan<byte> codeBytes, ChannelLayout layout, AffineScale[] scales, CodeRange codes)
    {
        var result = new float[layout.ElementCount];
        for (int i = 0; i < result.Length; i++)
        {
            var scale = scales[i / layout.Inner % layout.Channels];
            int code = codes.Lowest < 0 ? (sbyte)codeBytes[i] : codeBytes[i];
            result[i] = (code - scale.ZeroPoint) * scale.Scale;
        }

        return result;
    }

    private static QuantizationNoise QuantizeBlock(ReadOnlySpan<float> elements, int start, ScalePattern pattern, CodeRange codes, Span<byte> output)
    {
        var sums = new EnergySums();
        while (!elements.IsEmpty)
        {
            int within = start % pattern.Period;
            int length = Math.Min(pattern.Period - within, elements.Length);
            if (pattern.IsConstantInPeriod)
            {
                var scale = pattern.ScaleOfPeriod(start / pattern.Period);
                QuantizeRun(elements[..length], scale, codes, output[..length], ref sums);
            }
            else
            {
                QuantizeRow(elements[..length], pattern.Scales.AsSpan(within, length), pattern.ZeroPoints.AsSpan(within, length), codes, output[..length], ref sums);
            }

            elements = elements[length..];
            output = output[length..];
            start += length;
        }

        return sums.Total;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void QuantizeRun(ReadOnlySpan<float> elements, AffineScale scale, CodeRange codes, Span<byte> output, ref EnergySums total)
    {
        var sums = total;
        var vectors = MemoryMarshal.Cast<float, Vector256<float>>(elements);
        var step = Vector256.Create(scale.Scale);
        var zero = Vector256.Create((float)scale.ZeroPoint);
        var low = Vector256.Create((float)codes.Lowest);
        var high = Vector256.Create((float)codes.Highest);
        var quads = MemoryMarshal.Cast<byte, Vector256<byte>>(output);
        int v = 0;
        for (int quad = 0; quad < quads.Length; quad++, v += 4)
        {
            var a = Encode(vectors[v], step, zero, low, high, ref sums);
            var b = Encode(vectors[v + 1], step, zero, low, high, ref sums);
            var c = Encode(vectors[v + 2], step, zero, low, high, ref sums);
            var d = Encode(vectors[v + 3], step, zero, low, high, ref sums);
            quads[quad] = Vector256.Narrow(Vector256.Narrow(a, b), Vector256.Narrow(c, d)).AsByte();
        }

        for (int i = v * Vector256<float>.Count; i < elements.Length; i++)
            output[i] = EncodeOne(elements[i], scale.Scale, scale.ZeroPoint, codes, ref sums);
        total = sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void QuantizeRow(ReadOnlySpan<float> elements, ReadOnlySpan<float> scales, ReadOnlySpan<float> zeroPoints, CodeRange codes, Span<byte> output, ref EnergySums total)
    {
        var sums = total;
        var vectors = MemoryMarshal.Cast<float, Vector256<float>>(elements);
        var steps = MemoryMarshal.Cast<float, Vector256<float>>(scales);
        var zeros = MemoryMarshal.Cast<float, Vector256<float>>(zeroPoints);
        var low = Vector256.Create((float)codes.Lowest);
        var high = Vector256.Create((float)codes.Highest);
        var quads = MemoryMarshal.Cast<byte, Vector256<byte>>(output);
        int v = 0;
        for (int quad = 0; quad < quads.Length; quad++, v += 4)
        {
            var a = Encode(vectors[v], steps[v], zeros[v], low, high, ref sums);
            var b = Encode(vectors[v + 1], steps[v + 1], zeros[v + 1], low, high, ref sums);
            var c = Encode(vectors[v + 2], steps[v + 2], zeros[v + 2], low, high, ref sums);
            var d = Encode(vectors[v + 3], steps[v + 3], zeros[v + 3], low, high, ref sums);
            quads[quad] = Vector256.Narrow(Vector256.Narrow(a, b), Vector256.Narrow(c, d)).AsByte();
        }

        for (int i = v * Vector256<float>.Count; i < elements.Length; i++)
            output[i] = EncodeOne(elements[i], scales[i], (int)zeroPoints[i], codes, ref sums);
        total = sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Encode(Vector256<float> x, Vector256<float> step, Vector256<float> zero, Vector256<float> low, Vector256<float> high, ref EnergySums sums)
    {
        var code = Vector256.MinNative(Vector256.MaxNative(Vector256.Round(x / step) + zero, low), high);
        sums.Add(x, x - ((code - zero) * step));
        return Vector256.ConvertToInt32Native(code);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte EncodeOne(float x, float step, int zeroPoint, CodeRange codes, ref EnergySums sums)
    {
        float code = Math.Clamp(MathF.Round(x / step) + zeroPoint, codes.Lowest, codes.Highest);
        sums.Add(x, x - ((code - zeroPoint) * step));
        return (byte)(int)code;
    }

    /// <summary>Sums of squares in binary64, four lanes each, plus the scalar tails.</summary>
    private ref struct EnergySums
    {
        private Vector256<double> signal;
        private Vector256<double> noise;
        private double tailSignal;
        private double tailNoise;

        public readonly QuantizationNoise Total => new(
            ((signal[0] + signal[1]) + (signal[2] + signal[3])) + tailSignal,
            ((noise[0] + noise[1]) + (noise[2] + noise[3])) + tailNoise);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(Vector256<float> x, Vector256<float> error)
        {
            (var xLow, var xHigh) = Vector256.Widen(x);
            (var eLow, var eHigh) = Vector256.Widen(error);
            signal += (xLow * xLow) + (xHigh * xHigh);
            noise += (eLow * eLow) + (eHigh * eHigh);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(float x, float error)
        {
            tailSignal += (double)x * x;
            tailNoise += (double)error * error;
        }
    }
}
