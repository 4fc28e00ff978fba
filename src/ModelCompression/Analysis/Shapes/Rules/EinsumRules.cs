using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Einstein sums.</summary>
internal static class EinsumRules
{
    public static void Register(RuleTable table) => table.Add("Einsum", n =>
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var equation = EinsumEquation.Parse(n.Attributes.Text("equation", ""), [.. Enumerable.Range(0, n.Node.Inputs.Count).Select(i => n.RequireShape(i).Rank)])
            ?? throw n.Refuse("the equation does not fit the inputs");
        var sizes = new Dictionary<string, Dimension>(StringComparer.Ordinal);
        for (int i = 0; i < equation.Operands.Count; i++)
        {
            var shape = n.RequireShape(i);
            for (int axis = 0; axis < shape.Rank; axis++)
            {
                string label = equation.Operands[i][axis];
                sizes[label] = sizes.TryGetValue(label, out var known) ? Broadcasting.Combine(n, known, shape[axis]) : shape[axis];
            }
        }

        n.Set(0, n.ElementOf(0), equation.Result.Select(label => sizes[label]));
    });
}
