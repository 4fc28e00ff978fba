using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.NBits;

/// <summary>The upper triangular U with H⁻¹ = UᵀU of a damped Gram matrix, in the order in which elements are rounded.</summary>
/// <remarks>
/// With the order reversed, H = MMᵀ for an upper triangular M, and U = M⁻¹: one Cholesky decomposition and one triangular inverse. Sums are chains of fused
/// multiply-adds in a fixed order, so the result depends neither on threads nor on the processor.
/// </remarks>
internal sealed class InverseFactor
{
    private const int Panel = 64;
    private const double FirstDamping = 0.01;
    private const double ShortDamping = 0.05;
    private const double LastDamping = 1000;

    private InverseFactor(int[] order, float[] upper)
    {
        Order = order;
        Upper = upper;
    }

    /// <summary>Position of the element that is rounded first, second, …: those with the largest diagonal first.</summary>
    public int[] Order { get; }

    /// <summary>K·K, row-major, in that order.</summary>
    public float[] Upper { get; }

    /// <summary>Number of elements of a row.</summary>
    public int Width => Order.Length;

    /// <summary>Decomposes H + λ·I, λ at least a hundredth of the mean diagonal, more if that is not positive definite to the precision of binary32; null when nothing helps.</summary>
    /// <param name="gram">H, K·K, symmetric.</param>
    /// <param name="width">K.</param>
    /// <param name="rows">Rows that H was summed over; where they are few for K, what they say of each other is mostly chance, and λ is larger.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static InverseFactor? TryMake(ReadOnlySpan<float> gram, int width, long rows, CancellationToken cancellation = default)
    {
        var diagonal = new float[width];
        double mean = 0;
        for (int i = 0; i < width; i++) mean += (diagonal[i] = gram[(i * width) + i]) / (double)width;
        if (!(mean > 0) || !double.IsFinite(mean)) return null;
        int[] order = [.. Enumerable.Range(0, width).OrderByDescending(i => diagonal[i])];
        for (double damping = FirstDamping + (ShortDamping * width / Math.Max(1, rows)); damping <= LastDamping; damping *= 10)
        {
            float[] lower = Reversed(gram, order, (float)(damping * mean));
            if (!TryFactor(lower, width, cancellation)) continue;
            return new(order, Inverse(lower, width, cancellation));
        }

        return null;
    }

    /// <summary>The factor of inputs that tell nothing: every element is rounded to nearest.</summary>
    public static InverseFactor Identity(int width)
    {
        var upper = new float[width * width];
        for (int i = 0; i < width; i++) upper[(i * width) + i] = 1;
        return new([.. Enumerable.Range(0, width)], upper);
    }

    private static float[] Reversed(ReadOnlySpan<float> gram, int[] order, float damping)
    {
        int width = order.Length;
        var result = new float[width * width];
        for (int a = 0; a < width; a++)
        {
            var row = gram.Slice(order[width - 1 - a] * width, width);
            for (int b = 0; b <= a; b++) result[(a * width) + b] = row[order[width - 1 - b]];
            result[(a * width) + a] += damping;
        }

        return result;
    }

    /// <summary>Cholesky decomposition in place, rows against a panel of rows.</summary>
    private static bool TryFactor(float[] lower, int width, CancellationToken cancellation)
    {
        for (int first = 0; first < width; first += Panel)
        {
            int end = Math.Min(first + Panel, width);
            for (int i = first; i < end; i++)
            {
                for (int j = first; j <= i; j++)
                {
                    float rest = lower[(i * width) + j] - Dot(lower, i * width, j * width, j);
                    if (j < i) lower[(i * width) + j] = rest / lower[(j * width) + j];
                    else if (rest > 1e-7f * lower[(i * width) + i]) lower[(i * width) + i] = MathF.Sqrt(rest);
                    else return false;
                }
            }

            ForRows(end, width, (long)(width - end) * Panel * end, i =>
            {
                for (int j = first; j < end; j++)
                    lower[(i * width) + j] = (lower[(i * width) + j] - Dot(lower, i * width, j * width, j)) / lower[(j * width) + j];
            }, cancellation);
        }

        return true;
    }

    /// <summary>The inverse of a lower triangular matrix, reversed in both directions: upper triangular.</summary>
    private static float[] Inverse(float[] lower, int width, CancellationToken cancellation)
    {
        var inverse = new float[width * width];
        int panels = (width + Panel - 1) / Panel;
        ForRows(0, panels, (long)width * width * width, panel =>
        {
            int first = panel * Panel, end = Math.Min(first + Panel, width);
            for (int i = first; i < width; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                int length = Math.Min(end, i + 1) - first;
                var row = inverse.AsSpan((i * width) + first, length);
                for (int k = first; k < i; k++)
                    Rows.AddScaled(row, inverse.AsSpan((k * width) + first, Math.Min(length, k + 1 - first)), -lower[(i * width) + k]);
                if (i < end) row[i - first] += 1;
                float scale = 1 / lower[(i * width) + i];
                foreach (ref float element in row) element *= scale;
            }
        }, cancellation);
        Array.Reverse(inverse);
        return inverse;
    }

    private static void ForRows(int first, int end, long work, Action<int> body, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        const long parallelWork = 1 << 18;
        if (work >= parallelWork) Parallel.For(first, end, new ParallelOptions { CancellationToken = cancellation }, body);
        else for (int i = first; i < end; i++) body(i);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot(float[] matrix, int a, int b, int length)
    {
        ref float x = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(matrix), a);
        ref float y = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(matrix), b);
        Vector256<float> s0 = default, s1 = default;
        int i = 0;
        for (; i <= length - (2 * Vector256<float>.Count); i += 2 * Vector256<float>.Count)
        {
            s0 = Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref x, (nuint)i), Vector256.LoadUnsafe(ref y, (nuint)i), s0);
            s1 = Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref x, (nuint)i + 8), Vector256.LoadUnsafe(ref y, (nuint)i + 8), s1);
        }

        double sum = Lanes.Sum(s0) + Lanes.Sum(s1);
        for (; i < length; i++) sum += (double)Unsafe.Add(ref x, i) * Unsafe.Add(ref y, i);
        return (float)sum;
    }
}
