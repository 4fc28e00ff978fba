using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.Products;

/// <summary>Where an activation function lets gradients through: where its result is neither at the lower limit nor at the upper one.</summary>
/// <param name="Low">The lower limit, NaN for none.</param>
/// <param name="High">The upper limit, NaN for none.</param>
public readonly record struct ActivationLimits(float Low, float High)
{
    /// <summary>No activation function.</summary>
    public static ActivationLimits None => new(float.NaN, float.NaN);
}

/// <summary>The gradient of a convolution's input from that of its output, channels last, where every pixel's channels are whole vectors: convolutions of single pixels, and those with one filter per channel.</summary>
/// <remarks>∂x = Wᵀ ∗ ∂y, and 0 where the activation function that made x was at a limit: written once, in the order in which it is read next. Sums are in the order of filters, or of window elements.</remarks>
internal abstract class InputGradient
{
    /// <summary>Channels that are taken at a time.</summary>
    protected const int Vector = 16;

    /// <summary>True if there is a kernel for such convolutions.</summary>
    public static bool Serves(ConvolutionSizes sizes) => sizes.Channels % Vector == 0 && (sizes.IsDepthwise || (IsPointwise(sizes.Rows) && IsPointwise(sizes.Columns)));

    /// <summary>The kernel for a convolution.</summary>
    /// <param name="sizes">The convolution.</param>
    /// <param name="weight">Its weight [M, C/G, kernel].</param>
    public static InputGradient Create(ConvolutionSizes sizes, ReadOnlySpan<float> weight) => sizes.IsDepthwise ? new DepthwiseInputGradient(sizes, weight) : new PointwiseInputGradient(sizes, weight);

    /// <summary>Computes the gradient.</summary>
    /// <param name="dy">Gradient of the output, [N, H', W', M].</param>
    /// <param name="x">Input, [N, H, W, C].</param>
    /// <param name="limits">Of the function that made x.</param>
    /// <param name="dx">Gradient of the input, [N, H, W, C].</param>
    public abstract void Compute(ReadOnlySpan<float> dy, ReadOnlySpan<float> x, ActivationLimits limits, Span<float> dx);

    /// <summary>Sets a gradient to 0 where its value is at a limit.</summary>
    public static void Mask(Span<float> gradient, ReadOnlySpan<float> value, ActivationLimits limits)
    {
        var (low, high) = (EightLanes.Fill(limits.Low), EightLanes.Fill(limits.High));
        value = value[..gradient.Length];
        int whole = gradient.Length / EightLanes.Count * EightLanes.Count;
        for (int i = 0; i < whole; i += EightLanes.Count) EightLanes.Within(EightLanes.Load(ref gradient[i]), EightLanes.Load(ref Unsafe.AsRef(in value[i])), low, high).Store(ref gradient[i]);
        for (int i = whole; i < gradient.Length; i++)
            if (value[i] <= limits.Low || value[i] >= limits.High) gradient[i] = 0;
    }

    /// <summary>True if the processor has vectors of sixteen numbers.</summary>
    protected static bool IsWide => Vector512.IsHardwareAccelerated;

    private static bool IsPointwise(WindowSizes axis) => axis is { Kernel: 1, Stride: 1, Pad: 0 } && axis.Input == axis.Positions;
}
