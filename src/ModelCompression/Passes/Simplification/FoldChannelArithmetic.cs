using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>Folds Add, Sub, Mul and Div by a constant per output channel, or by one for all, into the Conv, ConvTranspose, Gemm or MatMul in front of it.</summary>
/// <remarks>
/// <para>y + c, y − c, c − y, y·c and y / c become W′ = factor·W, b′ = factor·b + shift in double precision, rounded once. For convolutions the
/// constant must broadcast along axis 1 only ([M,1,1], [1,M,1,1], one element), for Gemm and MatMul along the last axis ([N], [1,N], one element).
/// A MatMul takes factors only: an Add behind it is already where a bias belongs.</para>
/// <para>Refused, with a reason: the conditions of <see cref="FoldBatchNormalization"/> on output, weights and bias; before opset 7 the operators
/// broadcast by attributes and are left alone. Other shapes of constants are no candidates.</para>
/// <para>Each output changes by rounding only: at most (n + 3)·u·(Σ|w′·x| + |b′| + |shift|) for n products per output and unit roundoff u.</para>
/// </remarks>
public sealed class FoldChannelArithmetic : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        foreach (var scope in GraphScope.Of(model).Where(s => s.Opset >= 7).ToArray())
        {
            foreach (var node in scope.Graph.Nodes.Where(n => n.IsOnnxDomain && n.OpType is "Add" or "Sub" or "Mul" or "Div").ToArray())
            {
                if (TryRead(node, scope, out string? reason) is not { } affine)
                {
                    if (reason is not null) log.Refused(Name, node.DisplayName, reason);
                    continue;
                }

                reason = affine.TryAbsorb(scope);
                if (reason is null) log.Applied(Name, node.DisplayName, $"folded into {affine.Layer.Node.DisplayName}");
                else log.Refused(Name, node.DisplayName, reason);
            }
        }
    }

    private static ChannelAffine? TryRead(Node node, GraphScope scope, out string? reason)
    {
        reason = null;
        for (int side = 0; side < 2; side++)
        {
            if (!scope.TryGetFixed(node.Input(1 - side), out var operand) || !operand.DataType.IsFloatingPoint()) continue;
            if (node.OpType == "Div" && side == 1) continue;
            if (!LinearLayer.TryFrom(node.Input(side), scope, out var layer, out reason)) continue;
            if (layer.Node.OpType == "MatMul" && node.OpType is "Add" or "Sub") continue;
            if (operand.DataType != layer.WeightTensor.DataType || ReadPerChannel(operand, layer) is not { } values) continue;
            return Affine(node, layer, values, side);
        }

        return null;
    }

    private static ChannelAffine Affine(Node node, LinearLayer layer, double[] values, int side)
    {
        double[] ones = [.. Enumerable.Repeat(1.0, values.Length)];
        double[] zeros = new double[values.Length];
        return node.OpType switch
        {
            "Add" => new(node, layer, ones, values),
            "Sub" when side == 0 => new(node, layer, ones, Array.ConvertAll(values, v => -v)),
            "Sub" => new(node, layer, Array.ConvertAll(ones, v => -v), values),
            "Mul" => new(node, layer, values, zeros),
            _ => new(node, layer, Array.ConvertAll(values, v => 1 / v), zeros),
        };
    }

    /// <summary>The constant as one value per channel, or null when it varies along another axis or adds axes to the result.</summary>
    private static double[]? ReadPerChannel(Tensor operand, LinearLayer layer)
    {
        // The output of Conv has as many axes as its weights, that of Gemm two, and that of MatMul at least one.
        int rank = layer.IsConvolution ? layer.WeightTensor.Rank : layer.Node.OpType == "Gemm" ? 2 : layer.Last.Outputs[0]!.TensorType?.Shape?.Rank ?? 1;
        if (operand.Rank > rank) return null;
        int channelsFromEnd = layer.IsConvolution ? rank - 1 : 1;
        for (int i = 1; i <= operand.Rank; i++)
            if (operand.Dims[^i] != 1 && (i != channelsFromEnd || operand.Dims[^i] != layer.Channels)) return null;
        double[] elements = FloatingPointData.Read(operand);
        return elements.Length == layer.Channels ? elements : elements.Length == 1 ? [.. Enumerable.Repeat(elements[0], (int)layer.Channels)] : null;
    }
}
