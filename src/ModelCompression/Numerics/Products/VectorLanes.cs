using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.Products;

/// <summary>A vector of binary32 numbers, so that a kernel is written once for the widths that processors have.</summary>
internal interface IVectorLanes<T> where T : struct, IVectorLanes<T>
{
    /// <summary>Numbers in a vector.</summary>
    static abstract int Count { get; }

    /// <summary>The numbers from <paramref name="at"/> on.</summary>
    static abstract T Load(ref float at);

    /// <summary>One number in all lanes.</summary>
    static abstract T Fill(float value);

    /// <summary>x·y + sum, rounded once.</summary>
    static abstract T MultiplyAdd(T x, T y, T sum);

    /// <summary>Lane by lane x + y.</summary>
    static abstract T Add(T x, T y);

    /// <summary>Lane by lane x − y.</summary>
    static abstract T Subtract(T x, T y);

    /// <summary>Lane by lane x · y.</summary>
    static abstract T Multiply(T x, T y);

    /// <summary>Lane by lane x / y.</summary>
    static abstract T Divide(T x, T y);

    /// <summary>Lane by lane the larger number; <paramref name="y"/> where one of them is NaN on x64.</summary>
    static abstract T Largest(T x, T y);

    /// <summary>Lane by lane the smaller number; <paramref name="y"/> where one of them is NaN on x64.</summary>
    static abstract T Smallest(T x, T y);

    /// <summary>Lane by lane the nearest whole number, ties to even.</summary>
    static abstract T Round(T x);

    /// <summary>Lane by lane <paramref name="value"/> where <paramref name="x"/> is greater than <paramref name="y"/>, else <paramref name="other"/>.</summary>
    static abstract T IfGreater(T x, T y, T value, T other);

    /// <summary>Lane by lane <paramref name="value"/> where <paramref name="x"/> is neither at or below <paramref name="low"/> nor at or above <paramref name="high"/>, else 0.</summary>
    static abstract T Within(T value, T x, T low, T high);

    /// <summary>Writes the numbers from <paramref name="at"/> on.</summary>
    void Store(ref float at);
}

/// <summary>Sixteen lanes.</summary>
internal readonly struct SixteenLanes(Vector512<float> value) : IVectorLanes<SixteenLanes>
{
    private readonly Vector512<float> value = value;

    public static int Count => Vector512<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SixteenLanes Load(ref float at) => new(Vector512.LoadUnsafe(ref at));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SixteenLanes Fill(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SixteenLanes MultiplyAdd(SixteenLanes x, SixteenLanes y, SixteenLanes sum) => new(Vector512.FusedMultiplyAdd(x.value, y.value, sum.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SixteenLanes Add(SixteenLanes x, SixteenLanes y) => new(x.value + y.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SixteenLanes Subtract(SixteenLanes x, SixteenLanes y) => new(x.value - y.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SixteenLanes Multiply(SixteenLanes x, SixteenLanes y) => new(x.value * y.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SixteenLanes Divide(SixteenLanes x, SixteenLanes y) => new(x.value / y.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SixteenLanes Largest(SixteenLanes x, SixteenLanes y) => new(Vector512.MaxNative(x.value, y.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SixteenLanes Smallest(SixteenLanes x, SixteenLanes y) => new(Vector512.MinNative(x.value, y.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SixteenLanes Round(SixteenLanes x) => new(Vector512.Round(x.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SixteenLanes IfGreater(SixteenLanes x, SixteenLanes y, SixteenLanes value, SixteenLanes other) => new(Vector512.ConditionalSelect(Vector512.GreaterThan(x.value, y.value), value.value, other.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SixteenLanes Within(SixteenLanes value, SixteenLanes x, SixteenLanes low, SixteenLanes high) =>
        new(Vector512.ConditionalSelect(Vector512.LessThanOrEqual(x.value, low.value) | Vector512.GreaterThanOrEqual(x.value, high.value), Vector512<float>.Zero, value.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(ref float at) => value.StoreUnsafe(ref at);
}

/// <summary>Eight lanes.</summary>
internal readonly struct EightLanes(Vector256<float> value) : IVectorLanes<EightLanes>
{
    private readonly Vector256<float> value = value;

    public static int Count => Vector256<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static EightLanes Load(ref float at) => new(Vector256.LoadUnsafe(ref at));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static EightLanes Fill(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static EightLanes MultiplyAdd(EightLanes x, EightLanes y, EightLanes sum) => new(Vector256.FusedMultiplyAdd(x.value, y.value, sum.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static EightLanes Add(EightLanes x, EightLanes y) => new(x.value + y.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static EightLanes Subtract(EightLanes x, EightLanes y) => new(x.value - y.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static EightLanes Multiply(EightLanes x, EightLanes y) => new(x.value * y.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static EightLanes Divide(EightLanes x, EightLanes y) => new(x.value / y.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static EightLanes Largest(EightLanes x, EightLanes y) => new(Vector256.MaxNative(x.value, y.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static EightLanes Smallest(EightLanes x, EightLanes y) => new(Vector256.MinNative(x.value, y.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static EightLanes Round(EightLanes x) => new(Vector256.Round(x.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static EightLanes IfGreater(EightLanes x, EightLanes y, EightLanes value, EightLanes other) => new(Vector256.ConditionalSelect(Vector256.GreaterThan(x.value, y.value), value.value, other.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static EightLanes Within(EightLanes value, EightLanes x, EightLanes low, EightLanes high) =>
        new(Vector256.ConditionalSelect(Vector256.LessThanOrEqual(x.value, low.value) | Vector256.GreaterThanOrEqual(x.value, high.value), Vector256<float>.Zero, value.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(ref float at) => value.StoreUnsafe(ref at);
}
