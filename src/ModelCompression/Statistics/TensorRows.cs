using ModelCompression.Analysis.Views;

namespace ModelCompression.Statistics;

/// <summary>Sees a tensor as the rows that a linear operator multiplies with its weights: X [rows, width], per group.</summary>
public abstract class TensorRows
{
    /// <summary>Number of groups, each with rows of its own; 1 but for grouped convolutions.</summary>
    public virtual int Groups => 1;

    /// <summary>A text that differs between layouts that give other rows.</summary>
    public abstract string Key { get; }

    /// <summary>Rows along one axis: the elements of a row differ in that axis only. −1 for the left operand of MatMul, 0 for a transposed A of Gemm, 1 for channels of an image.</summary>
    public static TensorRows Along(int axis) => new AxisRows(axis);

    /// <summary>Rows of a convolution's input, one per output position: the C/group·kernel elements under the window in the order of the weight, zeros in the padding.</summary>
    public static TensorRows Under(ConvView convolution) => new WindowRows(convolution);

    /// <summary>Rows and width for a tensor of this shape; false when the shape does not fit.</summary>
    public abstract bool TryMeasure(ReadOnlySpan<long> shape, out long rows, out int width);

    /// <summary>Copies rows.</summary>
    /// <param name="x">The tensor.</param>
    /// <param name="group">Group.</param>
    /// <param name="first">First row.</param>
    /// <param name="step">Distance to the next row, ≥ 1.</param>
    /// <param name="target">Whole rows, one after the other; filled completely.</param>
    public abstract void Copy(TensorView x, int group, long first, long step, Span<float> target);
}
