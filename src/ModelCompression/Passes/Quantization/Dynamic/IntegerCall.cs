using ModelCompression.Analysis;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization.Dynamic;

/// <summary>How a node computes with integers.</summary>
internal enum IntegerKernel
{
    /// <summary><c>DynamicQuantizeLinear</c>, <c>MatMulInteger</c>, <c>Cast</c> and <c>Mul</c>, which ONNX Runtime fuses; opset 11.</summary>
    MatMulInteger,

    /// <summary><c>com.microsoft.DynamicQuantizeMatMul</c>, which needs no opset of the standard domain.</summary>
    DynamicQuantizeMatMul,

    /// <summary><c>com.microsoft.DynamicQuantizeLSTM</c>.</summary>
    DynamicQuantizeLstm,

    /// <summary><c>DynamicQuantizeLinear</c>, <c>ConvInteger</c>, <c>Cast</c> and <c>Mul</c>; opset 11.</summary>
    ConvInteger,
}

/// <summary>A weight as an integer kernel takes it.</summary>
/// <param name="Site">The weight.</param>
/// <param name="ScaleAxes">Axes of the stored weight along which scales vary; empty for one scale.</param>
/// <param name="IsTransposed">True if the kernel wants the last two axes exchanged.</param>
internal sealed record IntegerOperand(WeightSite Site, IReadOnlyList<int> ScaleAxes, bool IsTransposed)
{
    /// <summary>The weight's dimensions as the kernel sees them.</summary>
    public long[] KernelDims
    {
        get
        {
            long[] dims = Site.Tensor.Dims.ToArray();
            if (IsTransposed) (dims[^2], dims[^1]) = (dims[^1], dims[^2]);
            return dims;
        }
    }

    /// <summary>True if two nodes can share the codes.</summary>
    public bool IsSameAs(IntegerOperand other) => Site == other.Site && IsTransposed == other.IsTransposed && ScaleAxes.SequenceEqual(other.ScaleAxes);
}

/// <summary>A node that will compute with integers.</summary>
/// <param name="Node">The node.</param>
/// <param name="Kernel">What it becomes.</param>
/// <param name="Operands">Its weights.</param>
/// <param name="Options">Its options.</param>
internal sealed record IntegerCall(Node Node, IntegerKernel Kernel, IReadOnlyList<IntegerOperand> Operands, CompressionOptions Options);

/// <summary>What integers a weight becomes.</summary>
/// <param name="Operand">The weight.</param>
/// <param name="Range">Codes before the offset.</param>
/// <param name="Offset">Added to symmetric codes: 128 makes them unsigned.</param>
/// <param name="Target">Where its constants go.</param>
/// <param name="Options">Options of its consumers.</param>
internal sealed record IntegerWeightPlan(IntegerOperand Operand, CodeRange Range, int Offset, GraphTarget Target, CompressionOptions Options)
{
    /// <summary>Element type of the codes.</summary>
    public DataType Type => Range.IsSymmetric && Offset == 0 ? DataType.Int8 : DataType.UInt8;

    /// <summary>Order of elements and scales in the stored weight.</summary>
    public ChannelLayout Layout => ChannelLayout.Of(Operand.Site.Tensor.Dims, Operand.ScaleAxes);
}
