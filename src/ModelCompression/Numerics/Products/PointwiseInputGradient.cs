using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ModelCompression.Numerics.Products;

/// <summary><see cref="InputGradient"/> of a convolution of single pixels: a product of matrices, ∂X [pixel, C] = ∂Y [pixel, M]·W [M, C].</summary>
internal sealed class PointwiseInputGradient : InputGradient
{
    /// <summary>Pixels in a tile of the result.</summary>
    private const int TilePixels = 6;

    /// <summary>The same where there is one vector of channels.</summary>
    private const int NarrowTilePixels = 8;

    private readonly int channels;
    private readonly int filters;
    private readonly LineAligned weight;

    /// <summary>Takes a weight [M, C].</summary>
    public PointwiseInputGradient(ConvolutionSizes sizes, ReadOnlySpan<float> weight)
    {
        (channels, filters) = (sizes.Channels, sizes.Filters);
        this.weight = new(weight.Length);
        weight.CopyTo(this.weight.Span);
    }

    /// <inheritdoc/>
    public override void Compute(ReadOnlySpan<float> dy, ReadOnlySpan<float> x, ActivationLimits limits, Span<float> dx)
    {
        if (IsWide && channels == SixteenLanes.Count) ComputeNarrow(dy, x, limits, dx);
        else if (IsWide && channels % (2 * SixteenLanes.Count) == 0) Compute<SixteenLanes>(dy, x, limits, dx);
        else Compute<EightLanes>(dy, x, limits, dx);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Compute<T>(ReadOnlySpan<float> dy, ReadOnlySpan<float> x, ActivationLimits limits, Span<float> dx) where T : struct, IVectorLanes<T>
    {
        int pixels = dx.Length / channels;
        // The last elements, so that what follows stays inside.
        _ = (dy[(pixels * filters) - 1], x[(pixels * channels) - 1], weight.Span[(filters * channels) - 1]);
        ref float gradient = ref MemoryMarshal.GetReference(dy), input = ref MemoryMarshal.GetReference(x), result = ref MemoryMarshal.GetReference(dx), w = ref MemoryMarshal.GetReference(weight.Span);
        var (low, high) = (T.Fill(limits.Low), T.Fill(limits.High));
        for (int first = 0; first < pixels; first += TilePixels)
            for (int c = 0; c < channels; c += 2 * T.Count)
                Tile(ref gradient, ref Unsafe.Add(ref w, c), ref Unsafe.Add(ref input, c), ref Unsafe.Add(ref result, c), first, pixels - 1, low, high);
    }

    /// <summary>Sixteen channels, a vector of each of eight pixels at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ComputeNarrow(ReadOnlySpan<float> dy, ReadOnlySpan<float> x, ActivationLimits limits, Span<float> dx)
    {
        int pixels = dx.Length / channels, last = pixels - 1;
        _ = (dy[(pixels * filters) - 1], x[(pixels * channels) - 1], weight.Span[(filters * channels) - 1]);
        ref float gradient = ref MemoryMarshal.GetReference(dy), input = ref MemoryMarshal.GetReference(x), result = ref MemoryMarshal.GetReference(dx);
        var (low, high) = (SixteenLanes.Fill(limits.Low), SixteenLanes.Fill(limits.High));
        for (int first = 0; first < pixels; first += NarrowTilePixels)
        {
            nint r0 = first, r1 = Math.Min(first + 1, last), r2 = Math.Min(first + 2, last), r3 = Math.Min(first + 3, last);
            nint r4 = Math.Min(first + 4, last), r5 = Math.Min(first + 5, last), r6 = Math.Min(first + 6, last), r7 = Math.Min(first + 7, last);
            ref float a0 = ref Unsafe.Add(ref gradient, r0 * filters), a1 = ref Unsafe.Add(ref gradient, r1 * filters), a2 = ref Unsafe.Add(ref gradient, r2 * filters), a3 = ref Unsafe.Add(ref gradient, r3 * filters);
            ref float a4 = ref Unsafe.Add(ref gradient, r4 * filters), a5 = ref Unsafe.Add(ref gradient, r5 * filters), a6 = ref Unsafe.Add(ref gradient, r6 * filters), a7 = ref Unsafe.Add(ref gradient, r7 * filters);
            SixteenLanes p0 = SixteenLanes.Fill(0), p1 = p0, p2 = p0, p3 = p0, p4 = p0, p5 = p0, p6 = p0, p7 = p0;
            ref float w = ref MemoryMarshal.GetReference(weight.Span);
            for (nint m = 0; m < filters; m++)
            {
                var u = SixteenLanes.Load(ref w);
                p0 = SixteenLanes.MultiplyAdd(SixteenLanes.Fill(Unsafe.Add(ref a0, m)), u, p0);
                p1 = SixteenLanes.MultiplyAdd(SixteenLanes.Fill(Unsafe.Add(ref a1, m)), u, p1);
                p2 = SixteenLanes.MultiplyAdd(SixteenLanes.Fill(Unsafe.Add(ref a2, m)), u, p2);
                p3 = SixteenLanes.MultiplyAdd(SixteenLanes.Fill(Unsafe.Add(ref a3, m)), u, p3);
                p4 = SixteenLanes.MultiplyAdd(SixteenLanes.Fill(Unsafe.Add(ref a4, m)), u, p4);
                p5 = SixteenLanes.MultiplyAdd(SixteenLanes.Fill(Unsafe.Add(ref a5, m)), u, p5);
                p6 = SixteenLanes.MultiplyAdd(SixteenLanes.Fill(Unsafe.Add(ref a6, m)), u, p6);
                p7 = SixteenLanes.MultiplyAdd(SixteenLanes.Fill(Unsafe.Add(ref a7, m)), u, p7);
                w = ref Unsafe.Add(ref w, SixteenLanes.Count);
            }

            StoreOne(ref input, ref result, r0 * channels, p0, low, high);
            StoreOne(ref input, ref result, r1 * channels, p1, low, high);
            StoreOne(ref input, ref result, r2 * channels, p2, low, high);
            StoreOne(ref input, ref result, r3 * channels, p3, low, high);
            StoreOne(ref input, ref result, r4 * channels, p4, low, high);
            StoreOne(ref input, ref result, r5 * channels, p5, low, high);
            StoreOne(ref input, ref result, r6 * channels, p6, low, high);
            StoreOne(ref input, ref result, r7 * channels, p7, low, high);
        }
    }

    /// <summary>Two vectors of channels of six pixels; instead of pixels behind the last one that one again.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Tile<T>(ref float dy, ref float w, ref float x, ref float dx, int first, int last, T low, T high) where T : struct, IVectorLanes<T>
    {
        nint r0 = first, r1 = Math.Min(first + 1, last), r2 = Math.Min(first + 2, last), r3 = Math.Min(first + 3, last), r4 = Math.Min(first + 4, last), r5 = Math.Min(first + 5, last);
        ref float a0 = ref Unsafe.Add(ref dy, r0 * filters), a1 = ref Unsafe.Add(ref dy, r1 * filters), a2 = ref Unsafe.Add(ref dy, r2 * filters);
        ref float a3 = ref Unsafe.Add(ref dy, r3 * filters), a4 = ref Unsafe.Add(ref dy, r4 * filters), a5 = ref Unsafe.Add(ref dy, r5 * filters);
        T p0 = T.Fill(0), p1 = p0, p2 = p0, p3 = p0, p4 = p0, p5 = p0, q0 = p0, q1 = p0, q2 = p0, q3 = p0, q4 = p0, q5 = p0;
        for (nint m = 0; m < filters; m++)
        {
            var u = T.Load(ref w);
            var v = T.Load(ref Unsafe.Add(ref w, T.Count));
            var s = T.Fill(Unsafe.Add(ref a0, m));
            (p0, q0) = (T.MultiplyAdd(s, u, p0), T.MultiplyAdd(s, v, q0));
            s = T.Fill(Unsafe.Add(ref a1, m));
            (p1, q1) = (T.MultiplyAdd(s, u, p1), T.MultiplyAdd(s, v, q1));
            s = T.Fill(Unsafe.Add(ref a2, m));
            (p2, q2) = (T.MultiplyAdd(s, u, p2), T.MultiplyAdd(s, v, q2));
            s = T.Fill(Unsafe.Add(ref a3, m));
            (p3, q3) = (T.MultiplyAdd(s, u, p3), T.MultiplyAdd(s, v, q3));
            s = T.Fill(Unsafe.Add(ref a4, m));
            (p4, q4) = (T.MultiplyAdd(s, u, p4), T.MultiplyAdd(s, v, q4));
            s = T.Fill(Unsafe.Add(ref a5, m));
            (p5, q5) = (T.MultiplyAdd(s, u, p5), T.MultiplyAdd(s, v, q5));
            w = ref Unsafe.Add(ref w, channels);
        }

        Store(ref x, ref dx, r0 * channels, p0, q0, low, high);
        Store(ref x, ref dx, r1 * channels, p1, q1, low, high);
        Store(ref x, ref dx, r2 * channels, p2, q2, low, high);
        Store(ref x, ref dx, r3 * channels, p3, q3, low, high);
        Store(ref x, ref dx, r4 * channels, p4, q4, low, high);
        Store(ref x, ref dx, r5 * channels, p5, q5, low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<T>(ref float x, ref float dx, nint at, T left, T right, T low, T high) where T : struct, IVectorLanes<T>
    {
        StoreOne(ref x, ref dx, at, left, low, high);
        StoreOne(ref x, ref dx, at + T.Count, right, low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreOne<T>(ref float x, ref float dx, nint at, T value, T low, T high) where T : struct, IVectorLanes<T> =>
        T.Within(value, T.Load(ref Unsafe.Add(ref x, at)), low, high).Store(ref Unsafe.Add(ref dx, at));
}
