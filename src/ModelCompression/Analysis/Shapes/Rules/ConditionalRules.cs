using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary><c>If</c>.</summary>
internal static class ConditionalRules
{
    public static void Register(RuleTable table) => table.Add("If", n =>
    {
        var thenBranch = n.Attributes.Graph("then_branch") ?? throw n.Refuse("then_branch is missing");
        var elseBranch = n.Attributes.Graph("else_branch") ?? throw n.Refuse("else_branch is missing");
        n.InferBody(thenBranch);
        n.InferBody(elseBranch);
        // A condition that follows from known shapes always takes the same branch.
        var taken = n.ContentOf(0)?.Elements.FirstOrDefault().Integer.Size is { } condition ? condition != 0 ? thenBranch : elseBranch : null;
        for (int i = 0; i < n.Node.Outputs.Count; i++)
        {
            int output = i;
            if (i >= thenBranch.Outputs.Count || i >= elseBranch.Outputs.Count) throw n.Refuse("the branches return different numbers of values");
            var a = n.State.TypeOf(thenBranch.Outputs[i]);
            var b = n.State.TypeOf(elseBranch.Outputs[i]);
            n.Set(i, taken is null ? TypeLattice.Merge(a, b, axis => n.Fresh(output, axis)) : taken == thenBranch ? a : b);
            if (taken is null && a is TensorType { Shape: { } thenShape } && b is TensorType { Shape: { } elseShape } && thenShape.Rank != elseShape.Rank && n.Node.Output(i) is { } value)
                n.State.SetReason(value, $"If: its branches return ranks {thenShape.Rank} and {elseShape.Rank}");
            if (taken is not null) n.SetContent(i, n.State.ContentOf(taken.Outputs[i]));
        }
    });
}
