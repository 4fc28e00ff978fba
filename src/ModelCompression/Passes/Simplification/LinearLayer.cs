using System.Diagnostics.CodeAnalysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification;

/// <summary>
/// A node that computes W·x + b with a constant W, and how W and b are indexed by output channel. The weight is viewed as
/// [<see cref="Groups"/>, <see cref="Before"/>, <see cref="PerGroup"/>, <see cref="After"/>]; the channel of an element is group·PerGroup + its third index.
/// </summary>
internal sealed class LinearLayer
{
    private LinearLayer(Node node, Node last, Value weight, Tensor tensor)
    {
        Node = node;
        Last = last;
        Weight = weight;
        WeightTensor = tensor;
    }

    /// <summary>Conv, ConvTranspose, Gemm or MatMul.</summary>
    public Node Node { get; }

    /// <summary>The node whose output is the layer's: <see cref="Node"/>, or the Add behind a MatMul.</summary>
    public Node Last { get; }

    public Value Weight { get; }

    public Tensor WeightTensor { get; }

    /// <summary>Where the bias stands among the inputs of <see cref="Last"/>; −1 for a MatMul without Add.</summary>
    public int BiasIndex { get; private init; } = 2;

    public Value? Bias => BiasIndex < 0 ? null : Last.Input(BiasIndex);

    /// <summary>What the operator multiplies the bias by.</summary>
    public double BiasFactor { get; private init; } = 1;

    public long Groups { get; private init; } = 1;

    public long Before { get; private init; } = 1;

    public long PerGroup { get; private init; } = 1;

    public long After { get; private init; } = 1;

    /// <summary>Number of output channels.</summary>
    public long Channels => Groups * PerGroup;

    /// <summary>True if channels are the output's axis 1, as for convolutions; otherwise they are its last axis.</summary>
    public bool IsConvolution => Node.OpType is "Conv" or "ConvTranspose";

    /// <summary>Recognises the layer that produces <paramref name="output"/>.</summary>
    /// <param name="output">Candidate for a layer's output.</param>
    /// <param name="scope">Where it stands.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="reason">Why a linear operator was not accepted; null when there is none.</param>
    public static bool TryFrom(Value? output, GraphScope scope, [NotNullWhen(true)] out LinearLayer? layer, out string? reason)
    {
        (layer, reason) = (null, null);
        if (output?.Producer is not { IsOnnxDomain: true } last || output.OutputIndex != 0 || last.Graph != scope.Graph) return false;
        var (node, biasIndex) = last.OpType == "Add" ? MatMulBefore(last) : (last, last.OpType == "MatMul" ? -1 : 2);
        if (node is not { OpType: "Conv" or "ConvTranspose" or "Gemm" or "MatMul", IsOnnxDomain: true }) return false;
        if (node.IsParameterized) reason = "its attributes are those of a function call";
        else if (!scope.TryGetFixed(node.Input(1), out var tensor)) reason = "the weights are not constant";
        else if (!tensor.DataType.IsFloatingPoint()) reason = $"the weights are {tensor.DataType}";
        else if (tensor.ElementCount > Array.MaxLength) reason = $"the weights are too large ({tensor})";
        else if ((layer = Describe(node, last, biasIndex, tensor, scope)) is null) reason = $"the weights' shape {tensor} is not one that {node.OpType} of opset {scope.Opset} takes";
        return layer is not null;
    }

    private static LinearLayer? Describe(Node node, Node last, int biasIndex, Tensor tensor, GraphScope scope)
    {
        var weight = node.Inputs[1]!;
        var dims = tensor.Dims;
        long group = node.GetInt("group", 1);
        switch (node.OpType)
        {
            case "Conv" when tensor.Rank >= 3:
                return new(node, last, weight, tensor) { PerGroup = dims[0], After = Tensor.CountElements(dims[1..]) };
            case "ConvTranspose" when tensor.Rank >= 3 && group > 0 && dims[0] % group == 0:
                return new(node, last, weight, tensor) { Groups = group, Before = dims[0] / group, PerGroup = dims[1], After = Tensor.CountElements(dims[2..]) };
            case "Gemm" when tensor.Rank == 2 && scope.Opset >= 7:
                bool transposed = node.GetInt("transB", 0) != 0;
                return new(node, last, weight, tensor)
                {
                    Before = transposed ? 1 : dims[0],
                    PerGroup = transposed ? dims[0] : dims[1],
                    After = transposed ? dims[1] : 1,
                    BiasFactor = node.GetFloat("beta", 1),
                };
            case "MatMul" when tensor.Rank == 2 && scope.Opset >= 7:
                return new(node, last, weight, tensor) { Before = dims[0], PerGroup = dims[1], BiasIndex = biasIndex };
            default:
                return null;
        }
    }

    private static (Node? MatMul, int BiasIndex) MatMulBefore(Node add)
    {
        for (int i = 0; i < 2; i++)
            if (add.Input(i) is { Producer: { OpType: "MatMul" } matMul, Uses.Count: 1, IsGraphOutput: false, IsReferencedByName: false } && matMul.Graph == add.Graph)
                return (matMul, 1 - i);
        return (null, 0);
    }
}
