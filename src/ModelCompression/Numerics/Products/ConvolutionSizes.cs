namespace ModelCompression.Numerics.Products;

/// <summary>Sizes of a two-dimensional convolution, without groups or with one filter per channel.</summary>
/// <param name="Samples">N.</param>
/// <param name="Channels">C, of the input.</param>
/// <param name="Filters">M, channels of the output.</param>
/// <param name="Rows">Along the vertical axis.</param>
/// <param name="Columns">Along the horizontal axis.</param>
public sealed record ConvolutionSizes(int Samples, int Channels, int Filters, WindowSizes Rows, WindowSizes Columns)
{
    /// <summary>True if every channel has a filter of its own; C is M then.</summary>
    public bool IsDepthwise { get; init; }

    /// <summary>Elements of the input.</summary>
    public int InputLength => Samples * Channels * Rows.Input * Columns.Input;

    /// <summary>Elements of the output.</summary>
    public int OutputLength => Samples * Filters * Rows.Positions * Columns.Positions;

    /// <summary>1 or 2 for the usual window of three by three with one element of padding, which moves by that many and ends at the last element; else 0.</summary>
    public int UsualStride => Rows.UsualStride == Columns.UsualStride ? Rows.UsualStride : 0;

    /// <summary>Elements of the weight.</summary>
    public int WeightLength => Filters * (IsDepthwise ? 1 : Channels) * Rows.Kernel * Columns.Kernel;
}

/// <summary>Sizes of a convolution along one axis.</summary>
/// <param name="Input">Elements.</param>
/// <param name="Positions">Window positions.</param>
/// <param name="Kernel">Window elements.</param>
/// <param name="Stride">Elements from a position to the next.</param>
/// <param name="Dilation">Elements from a window element to the next.</param>
/// <param name="Pad">Zeros before the first element; negative if that many are not met.</param>
public readonly record struct WindowSizes(int Input, int Positions, int Kernel, int Stride, int Dilation, int Pad)
{
    /// <summary>Elements from the first to the last that a window meets, padding included.</summary>
    public int Reach => ((Positions - 1) * Stride) + ((Kernel - 1) * Dilation) + 1;

    /// <summary>See <see cref="ConvolutionSizes.UsualStride"/>.</summary>
    public int UsualStride => this is { Kernel: 3, Dilation: 1, Pad: 1, Stride: 1 or 2 } && Positions * Stride == Input ? Stride : 0;
}
