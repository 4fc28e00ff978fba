using System.Diagnostics.CodeAnalysis;
using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Quantization.Equalization;

/// <summary>
/// A layer with a stored weight whose input and output channels can be scaled. The weight is seen as [rows, columns, inner] with rows cut into groups: element
/// (r, c, k) joins channel r and channel group(r)·columns + c; which of the two is the output depends on the operator.
/// </summary>
internal sealed class ScalableLayer
{
    private readonly int rows;
    private readonly int columns;
    private readonly int inner;
    private readonly int groups;
    private readonly bool rowsAreOutputs;
    private readonly double[] rowFactors;
    private readonly double[] columnFactors;

    private ScalableLayer(Node node, Tensor tensor, int rows, int columns, int groups, bool rowsAreOutputs)
    {
        Node = node;
        Tensor = tensor;
        (this.rows, this.columns, this.groups, this.rowsAreOutputs) = (rows, columns, groups, rowsAreOutputs);
        inner = (int)(tensor.ElementCount / ((long)rows * columns));
        rowFactors = Ones(rows);
        columnFactors = Ones(columns * groups);
    }

    /// <summary>Conv, ConvTranspose, Gemm or MatMul.</summary>
    public Node Node { get; }

    /// <summary>The weight as it was.</summary>
    public Tensor Tensor { get; }

    /// <summary>True if channels are axis 1 of activations, otherwise the last axis.</summary>
    public bool IsConvolution => Node.OpType is "Conv" or "ConvTranspose";

    /// <summary>Number of output channels.</summary>
    public int OutputChannels => OutputFactors.Length;

    /// <summary>Number of input channels.</summary>
    public int InputChannels => InputFactors.Length;

    /// <summary>What each output channel is multiplied by.</summary>
    public double[] OutputFactors => rowsAreOutputs ? rowFactors : columnFactors;

    /// <summary>What each input channel is multiplied by.</summary>
    public double[] InputFactors => rowsAreOutputs ? columnFactors : rowFactors;

    /// <summary>Largest magnitude per output channel, factors applied.</summary>
    public double[] OutputRanges() => Ranges(OutputChannels, rowsAreOutputs);

    /// <summary>Largest magnitude per input channel, factors applied.</summary>
    public double[] InputRanges() => Ranges(InputChannels, !rowsAreOutputs);

    /// <summary>Sees a node as such a layer.</summary>
    /// <param name="node">The node.</param>
    /// <param name="scope">Where it stands.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="reason">Why a layer with weights is none; null for other operators.</param>
    public static bool TryFrom(Node node, GraphScope scope, [NotNullWhen(true)] out ScalableLayer? layer, out string? reason)
    {
        (layer, reason) = (null, null);
        if (!node.IsOnnxDomain || node.OpType is not ("Conv" or "ConvTranspose" or "Gemm" or "MatMul")) return false;
        if (node.IsParameterized) reason = "its attributes come from the function's caller";
        else if (!scope.TryGetFixed(node.Input(1), out var tensor)) reason = "its weights are not constant";
        else if (tensor.DataType != DataType.Float || tensor.ElementCount is 0 or > int.MaxValue) reason = $"its weights are {tensor}";
        else if (node.Inputs[1]!.Uses.Count > 1 || !IsOwn(node.Inputs[1]!)) reason = "its weights are shared";
        else if ((layer = Describe(node, tensor)) is null) reason = $"its weights {tensor} are not one matrix or kernel";
        return layer is not null;
    }

    /// <summary>The weight with the factors applied.</summary>
    public Tensor Scaled()
    {
        var source = Tensor.AsSpan<float>();
        float[] result = new float[source.Length];
        for (int r = 0, i = 0; r < rows; r++)
        {
            int first = GroupOf(r) * columns;
            for (int c = 0; c < columns; c++)
            {
                double factor = rowFactors[r] * columnFactors[first + c];
                for (int end = i + inner; i < end; i++) result[i] = (float)(source[i] * factor);
            }
        }

        return Tensor.Float(Tensor.Dims, result);
    }

    private double[] Ranges(int channels, bool perRow)
    {
        double[] ranges = new double[channels];
        var elements = Tensor.AsSpan<float>();
        for (int r = 0; r < rows; r++)
        {
            int first = GroupOf(r) * columns;
            for (int c = 0; c < columns; c++)
            {
                double largest = System.Numerics.Tensors.TensorPrimitives.MaxMagnitude(elements.Slice(((r * columns) + c) * inner, inner));
                ref double range = ref ranges[perRow ? r : first + c];
                range = Math.Max(range, Math.Abs(largest) * rowFactors[r] * columnFactors[first + c]);
            }
        }

        return ranges;
    }

    private static ScalableLayer? Describe(Node node, Tensor tensor)
    {
        var dims = tensor.Dims;
        switch (node.OpType)
        {
            case "Conv" when ConvView.TryFrom(node, out var conv):
                return new(node, tensor, conv.OutputChannels, conv.InputChannelsPerGroup, conv.Group, rowsAreOutputs: true);
            case "ConvTranspose" when tensor.Rank >= 3 && node.GetInt("group", 1) is >= 1 and var group && dims[0] % group == 0:
                return new(node, tensor, (int)dims[0], (int)dims[1], (int)group, rowsAreOutputs: false);
            case "Gemm" when GemmView.TryFrom(node, out var gemm) && tensor.Rank == 2:
                return new(node, tensor, (int)dims[0], (int)dims[1], 1, rowsAreOutputs: gemm.TransB);
            case "MatMul" when tensor.Rank == 2:
                return new(node, tensor, (int)dims[0], (int)dims[1], 1, rowsAreOutputs: false);
            default:
                return null;
        }
    }

    private static bool IsOwn(Value weight) => !weight.IsGraphOutput && !weight.IsReferencedByName;

    private int GroupOf(int row) => row / (rows / groups);

    private static double[] Ones(int length)
    {
        double[] ones = new double[length];
        Array.Fill(ones, 1);
        return ones;
    }
}
