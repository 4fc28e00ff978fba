using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>Folds inference-mode BatchNormalization into the Conv, ConvTranspose, Gemm or MatMul (with or without Add) in front of it.</summary>
/// <remarks>
/// <para>a = scale / √(variance + ε), W′ = a·W and b′ = a·(b − mean) + B per output channel, in double precision, rounded once. Groups,
/// missing biases, Gemm's alpha, beta and transB, and weights in <c>Constant</c> nodes are all handled; a Gemm's beta becomes 1.</para>
/// <para>Refused, with a reason: training mode (training_mode, unset is_test before opset 7, more than one output before opset 14); spatial = 0;
/// parameters that are not constant or not one per channel; the layer's output used elsewhere or returned; weights that are not constant, may be
/// overridden by the caller, or are shared, since a copy would make the file larger; weights that would not be finite; a MatMul whose output is
/// not known to have two axes, because the normalized axis 1 need not be its last.</para>
/// <para>Each output changes by rounding only: at most (n + 4)·u·(Σ|w′·x| + |b′| + |a·mean| + |B|) for n products per output and unit roundoff u of the type.</para>
/// </remarks>
public sealed class FoldBatchNormalization : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        foreach (var scope in GraphScope.Of(model).ToArray())
        {
            foreach (var node in scope.Graph.Nodes.Where(n => n.Is("BatchNormalization")).ToArray())
            {
                if (!LinearLayer.TryFrom(node.Input(0), scope, out var layer, out string? reason))
                {
                    log.Refused(Name, node.DisplayName, reason ?? "there is no Conv, ConvTranspose, Gemm or MatMul in front of it");
                    continue;
                }

                reason = TryFold(node, layer, scope);
                if (reason is null) log.Applied(Name, node.DisplayName, $"folded into {layer.Node.DisplayName}");
                else log.Refused(Name, node.DisplayName, reason);
            }
        }
    }

    private static string? TryFold(Node node, LinearLayer layer, GraphScope scope)
    {
        if (WhyNotInference(node, scope) is { } training) return training;
        if (node.GetInt("spatial", 1) == 0) return "it normalizes each position by itself (spatial = 0)";
        if (!layer.IsConvolution && layer.Node.OpType == "MatMul" && !HasTwoAxes(layer)) return "the MatMul's output is not known to have two axes";
        var parameters = new double[4][];
        for (int i = 0; i < 4; i++)
        {
            if (!scope.TryGetFixed(node.Input(i + 1), out var tensor)) return $"its input {i + 1} is not constant";
            if (!tensor.DataType.IsFloatingPoint() || tensor.ElementCount != layer.Channels || tensor.Rank != 1)
                return $"its input {i + 1} is {tensor}, not one value for each of {layer.Channels} channels";
            parameters[i] = FloatingPointData.Read(tensor);
        }

        var factors = new double[layer.Channels];
        var shifts = new double[layer.Channels];
        double epsilon = node.GetFloat("epsilon", 1e-5f);
        for (int c = 0; c < factors.Length; c++)
        {
            factors[c] = parameters[0][c] / Math.Sqrt(parameters[3][c] + epsilon);
            shifts[c] = parameters[1][c] - (factors[c] * parameters[2][c]);
        }

        return new ChannelAffine(node, layer, factors, shifts).TryAbsorb(scope);
    }

    private static string? WhyNotInference(Node node, GraphScope scope)
    {
        if (node.IsParameterized) return "its attributes are those of a function call";
        if (scope.Opset < 7 && node.GetInt("is_test", 0) == 0) return "it is in training mode (is_test is not set)";
        if (scope.Opset >= 14 && node.GetInt("training_mode", 0) != 0) return "it is in training mode";
        return node.Outputs.Skip(1).Any(o => o is not null) ? "it also returns its statistics" : null;
    }

    private static bool HasTwoAxes(LinearLayer layer) => new[] { layer.Last.Outputs[0], layer.Node.Outputs[0], layer.Node.Inputs[0] }.Any(v => v?.TensorType?.Shape?.Rank == 2);
}
