using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ModelCompression.Numerics.Products;

/// <summary>Three lines of pixels, channels last.</summary>
internal readonly ref struct ThreeLines
{
    /// <summary>The first.</summary>
    public readonly ref float First;

    /// <summary>The second.</summary>
    public readonly ref float Second;

    /// <summary>The third.</summary>
    public readonly ref float Third;

    /// <summary>Takes lines.</summary>
    public ThreeLines(ReadOnlySpan<float> first, ReadOnlySpan<float> second, ReadOnlySpan<float> third)
    {
        First = ref MemoryMarshal.GetReference(first);
        Second = ref MemoryMarshal.GetReference(second);
        Third = ref MemoryMarshal.GetReference(third);
    }
}

/// <summary>A vector of channels of a line of a convolution with one filter per channel and the usual window (<see cref="ConvolutionSizes.UsualStride"/>): sums stay in registers. Beside a line are zeros.</summary>
internal static class DepthwiseLines
{
    /// <summary>∂x of a line, stride 1.</summary>
    /// <param name="dy">Lines of ∂y that the kernel's rows meet.</param>
    /// <param name="weight">[kernel, channel].</param>
    /// <param name="step">Channels.</param>
    /// <param name="count">Pixels.</param>
    /// <param name="x">The line of the input.</param>
    /// <param name="limits">Of the function that made it.</param>
    /// <param name="dx">Takes the line.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void InputByOne<T>(ThreeLines dy, ref float weight, nint step, int count, ref float x, ActivationLimits limits, ref float dx) where T : struct, IVectorLanes<T>
    {
        var (low, high) = (T.Fill(limits.Low), T.Fill(limits.High));
        T a0 = At<T>(ref weight, 0), a1 = At<T>(ref weight, step), a2 = At<T>(ref weight, 2 * step);
        T b0 = At<T>(ref weight, 3 * step), b1 = At<T>(ref weight, 4 * step), b2 = At<T>(ref weight, 5 * step);
        T c0 = At<T>(ref weight, 6 * step), c1 = At<T>(ref weight, 7 * step), c2 = At<T>(ref weight, 8 * step);
        T zero = T.Fill(0), beforeA = zero, beforeB = zero, beforeC = zero, atA = T.Load(ref dy.First), atB = T.Load(ref dy.Second), atC = T.Load(ref dy.Third);
        nint place = 0;
        for (int i = 1; i <= count; i++)
        {
            T nextA = zero, nextB = zero, nextC = zero;
            if (i < count) (nextA, nextB, nextC) = (At<T>(ref dy.First, place + step), At<T>(ref dy.Second, place + step), At<T>(ref dy.Third, place + step));
            T a = T.MultiplyAdd(nextA, a0, T.MultiplyAdd(atA, a1, T.MultiplyAdd(beforeA, a2, zero)));
            T b = T.MultiplyAdd(nextB, b0, T.MultiplyAdd(atB, b1, T.MultiplyAdd(beforeB, b2, zero)));
            T c = T.MultiplyAdd(nextC, c0, T.MultiplyAdd(atC, c1, T.MultiplyAdd(beforeC, c2, zero)));
            T.Within(T.Add(T.Add(a, b), c), At<T>(ref x, place), low, high).Store(ref Unsafe.Add(ref dx, place));
            (beforeA, beforeB, beforeC, atA, atB, atC) = (atA, atB, atC, nextA, nextB, nextC);
            place += step;
        }
    }

    /// <summary>∂x of a line, stride 2, from two lines of ∂y and the kernel's rows that meet them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void InputByTwo<T>(ThreeLines dy, ref float weightA, ref float weightB, nint step, int positions, ref float x, ActivationLimits limits, ref float dx) where T : struct, IVectorLanes<T>
    {
        var (low, high) = (T.Fill(limits.Low), T.Fill(limits.High));
        T a0 = At<T>(ref weightA, 0), a1 = At<T>(ref weightA, step), a2 = At<T>(ref weightA, 2 * step);
        T b0 = At<T>(ref weightB, 0), b1 = At<T>(ref weightB, step), b2 = At<T>(ref weightB, 2 * step);
        T zero = T.Fill(0), atA = T.Load(ref dy.First), atB = T.Load(ref dy.Second);
        nint place = 0;
        for (int i = 1; i <= positions; i++)
        {
            T nextA = zero, nextB = zero;
            if (i < positions) (nextA, nextB) = (At<T>(ref dy.First, i * step), At<T>(ref dy.Second, i * step));
            T even = T.MultiplyAdd(atA, a1, T.MultiplyAdd(atB, b1, zero));
            T odd = T.Add(T.MultiplyAdd(nextA, a0, T.MultiplyAdd(atA, a2, zero)), T.MultiplyAdd(nextB, b0, T.MultiplyAdd(atB, b2, zero)));
            T.Within(even, At<T>(ref x, place), low, high).Store(ref Unsafe.Add(ref dx, place));
            T.Within(odd, At<T>(ref x, place + step), low, high).Store(ref Unsafe.Add(ref dx, place + step));
            (atA, atB) = (nextA, nextB);
            place += 2 * step;
        }
    }

    /// <summary>Adds the share of a line of positions to ∂W, stride 1.</summary>
    /// <param name="dy">The line of ∂y.</param>
    /// <param name="x">Lines of the input that the kernel's rows meet.</param>
    /// <param name="step">Channels.</param>
    /// <param name="positions">Positions.</param>
    /// <param name="sums">Takes the share, [kernel, channel].</param>
    /// <param name="sumStep">From an element of the kernel to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void WeightByOne<T>(ref float dy, ThreeLines x, nint step, int positions, ref float sums, nint sumStep) where T : struct, IVectorLanes<T>
    {
        T zero = T.Fill(0), a0 = zero, a1 = zero, a2 = zero, b0 = zero, b1 = zero, b2 = zero, c0 = zero, c1 = zero, c2 = zero;
        T beforeA = zero, beforeB = zero, beforeC = zero, atA = T.Load(ref x.First), atB = T.Load(ref x.Second), atC = T.Load(ref x.Third);
        for (int i = 1; i <= positions; i++)
        {
            T nextA = zero, nextB = zero, nextC = zero, g = At<T>(ref dy, (i - 1) * step);
            if (i < positions) (nextA, nextB, nextC) = (At<T>(ref x.First, i * step), At<T>(ref x.Second, i * step), At<T>(ref x.Third, i * step));
            (a0, a1, a2) = (T.MultiplyAdd(g, beforeA, a0), T.MultiplyAdd(g, atA, a1), T.MultiplyAdd(g, nextA, a2));
            (b0, b1, b2) = (T.MultiplyAdd(g, beforeB, b0), T.MultiplyAdd(g, atB, b1), T.MultiplyAdd(g, nextB, b2));
            (c0, c1, c2) = (T.MultiplyAdd(g, beforeC, c0), T.MultiplyAdd(g, atC, c1), T.MultiplyAdd(g, nextC, c2));
            (beforeA, beforeB, beforeC, atA, atB, atC) = (atA, atB, atC, nextA, nextB, nextC);
        }

        AddRow(ref sums, sumStep, a0, a1, a2);
        AddRow(ref Unsafe.Add(ref sums, 3 * sumStep), sumStep, b0, b1, b2);
        AddRow(ref Unsafe.Add(ref sums, 6 * sumStep), sumStep, c0, c1, c2);
    }

    /// <summary>Adds the share of a line of positions to ∂W, stride 2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void WeightByTwo<T>(ref float dy, ThreeLines x, nint step, int positions, ref float sums, nint sumStep) where T : struct, IVectorLanes<T>
    {
        T zero = T.Fill(0), a0 = zero, a1 = zero, a2 = zero, b0 = zero, b1 = zero, b2 = zero, c0 = zero, c1 = zero, c2 = zero;
        T beforeA = zero, beforeB = zero, beforeC = zero;
        nint place = 0;
        for (int i = 0; i < positions; i++)
        {
            var g = At<T>(ref dy, i * step);
            var (atA, atB, atC) = (At<T>(ref x.First, place), At<T>(ref x.Second, place), At<T>(ref x.Third, place));
            var (nextA, nextB, nextC) = (At<T>(ref x.First, place + step), At<T>(ref x.Second, place + step), At<T>(ref x.Third, place + step));
            (a0, a1, a2) = (T.MultiplyAdd(g, beforeA, a0), T.MultiplyAdd(g, atA, a1), T.MultiplyAdd(g, nextA, a2));
            (b0, b1, b2) = (T.MultiplyAdd(g, beforeB, b0), T.MultiplyAdd(g, atB, b1), T.MultiplyAdd(g, nextB, b2));
            (c0, c1, c2) = (T.MultiplyAdd(g, beforeC, c0), T.MultiplyAdd(g, atC, c1), T.MultiplyAdd(g, nextC, c2));
            (beforeA, beforeB, beforeC) = (nextA, nextB, nextC);
            place += 2 * step;
        }

        AddRow(ref sums, sumStep, a0, a1, a2);
        AddRow(ref Unsafe.Add(ref sums, 3 * sumStep), sumStep, b0, b1, b2);
        AddRow(ref Unsafe.Add(ref sums, 6 * sumStep), sumStep, c0, c1, c2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddRow<T>(ref float sums, nint step, T first, T second, T third) where T : struct, IVectorLanes<T>
    {
        T.Add(T.Load(ref sums), first).Store(ref sums);
        T.Add(At<T>(ref sums, step), second).Store(ref Unsafe.Add(ref sums, step));
        T.Add(At<T>(ref sums, 2 * step), third).Store(ref Unsafe.Add(ref sums, 2 * step));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T At<T>(ref float start, nint place) where T : struct, IVectorLanes<T> => T.Load(ref Unsafe.Add(ref start, place));
}
