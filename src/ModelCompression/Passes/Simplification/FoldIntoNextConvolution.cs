using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>Folds Mul and Add by a constant (one element, or one per channel) into the convolutions that read the result.</summary>
/// <remarks>
/// <para>W ∗ (a·x + b) + c: a scales the weights of each input channel, W′ = W·a. b adds Σ W·b to the bias, but only where nothing is padded, since padding is zero behind the Add and not before it.
/// In front of a padded convolution a·x + b is turned into a·(x + b/a), so that one of the two operators goes.</para>
/// <para>Only where all consumers are convolutions with constant weights and biases of their own, and the results are finite. Computed in double precision and rounded once: each
/// output changes by at most (n + 3)·u·Σ|w′·x| for n products and unit roundoff u.</para>
/// </remarks>
public sealed class FoldIntoNextConvolution : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        foreach (var scope in GraphScope.Of(model).Where(s => s.Opset >= 7 && !s.IsFunction).ToArray())
            foreach (var node in scope.Graph.Nodes.Where(n => n.Is("Mul") || n.Is("Add")).Reverse().ToArray())
            {
                if (node.Graph is null || NextConvolutions.TryRead(node.Outputs[0]!, scope) is not { } next || ChannelConstant.TryRead(node, scope, next.Channels) is not { } constant) continue;
                string target = node.DisplayName;
                if (node.OpType == "Mul" ? next.TryScale(constant.Elements) : next.TryShift(constant.Elements)) Bypass(node, constant, scope);
                else if (node.OpType == "Mul" || !TryExchange(node, constant, next, scope)) continue;
                log.Applied(Name, target, $"folded into {next.Description}");
            }
    }

    /// <summary>a·x + b in front of padding: x + b/a stays, a goes into the weights.</summary>
    private static bool TryExchange(Node add, ChannelConstant shift, NextConvolutions next, GraphScope scope)
    {
        if (shift.Data.Producer is not { } mul || !mul.Is("Mul") || shift.Data is not { Uses.Count: 1, IsGraphOutput: false, IsReferencedByName: false }) return false;
        if (ChannelConstant.TryRead(mul, scope, next.Channels) is not { } factor || factor.Tensor.ElementCount != shift.Tensor.ElementCount || factor.Elements.Contains(0)) return false;
        double[] quotient = [.. FloatingPointData.Read(shift.Tensor).Zip(FloatingPointData.Read(factor.Tensor), (b, a) => b / a)];
        var moved = FloatingPointData.Write(DataType.Float, shift.Tensor.Dims, quotient);
        if (!FloatingPointData.IsFinite(moved) || !next.TryScale(factor.Elements)) return false;
        var old = add.Inputs[shift.Index]!;
        add.SetInput(shift.Index, ConstantStorage.Add(scope, old.Name, moved, add));
        ConstantStorage.RemoveUnused(scope.Model, old);
        Bypass(mul, factor, scope);
        return true;
    }

    private static void Bypass(Node node, ChannelConstant constant, GraphScope scope)
    {
        var stored = node.Inputs[constant.Index]!;
        node.Outputs[0]!.ReplaceAllUsesWith(constant.Data);
        scope.Graph.RemoveNode(node);
        ConstantStorage.RemoveUnused(scope.Model, stored);
    }
}
