using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients.Rules;

/// <summary>Einstein sums of any number of operands.</summary>
/// <remarks>
/// y is linear in each operand, and its gradient is the sum over everything but that operand's labels: for C = einsum("…A…,…B…→…"), ∂A = einsum("C,B→A") with ∂C. A label
/// that only this operand has was summed alone, so the gradient is the same along it.
/// </remarks>
internal static class EinsumRules
{
    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules) => rules["Einsum"] = Einsum;

    private static void Einsum(NodeGradient n)
    {
        var operands = n.Node.Inputs.Select((_, i) => n.Dims(n.X(i))).ToArray();
        if (EinsumEquation.Parse(n.Attributes.Text("equation", ""), [.. operands.Select(o => o.Length)]) is not { } equation) throw n.Refuse("its equation does not fit its operands");
        var sizes = SizesOf(n, equation, operands);
        for (int i = 0; i < operands.Length; i++)
        {
            int index = i;
            n.GiveIfNeeded(index, () => Gradient(n, equation, sizes, index));
        }
    }

    private static Value Gradient(NodeGradient n, EinsumEquation equation, Dictionary<string, long> sizes, int index)
    {
        int[] others = [.. Enumerable.Range(0, equation.Operands.Count).Where(i => i != index)];
        var wanted = equation.Operands[index];
        var known = wanted.Where(l => equation.Result.Contains(l) || others.Any(o => equation.Operands[o].Contains(l))).ToList();
        string[] names = [.. sizes.Keys];
        string Term(IEnumerable<string> labels) => string.Concat(labels.Select(l => (char)('a' + Array.IndexOf(names, l))));
        string text = string.Join(',', others.Select(o => Term(equation.Operands[o])).Prepend(Term(equation.Result))) + "->" + Term(known);
        var sum = n.Emit.Op("Einsum", [n.DY, .. others.Select(o => n.X(o))], NodeAttribute.Of("equation", text));
        if (known.Count == wanted.Count) return sum;
        return n.Emit.Expand(n.Emit.Reshape(sum, [.. wanted.Select(l => known.Contains(l) ? sizes[l] : 1)]), [.. wanted.Select(l => sizes[l])]);
    }

    private static Dictionary<string, long> SizesOf(NodeGradient n, EinsumEquation equation, long[][] operands)
    {
        const int letters = 26;
        var sizes = new Dictionary<string, long>(StringComparer.Ordinal);
        for (int i = 0; i < operands.Length; i++)
        {
            if (equation.Operands[i].Distinct().Count() < operands[i].Length) throw n.Refuse("an operand has a label twice");
            for (int axis = 0; axis < operands[i].Length; axis++)
            {
                string label = equation.Operands[i][axis];
                if (!sizes.TryAdd(label, operands[i][axis]) && sizes[label] != operands[i][axis]) throw n.Refuse("operands are repeated along its ellipsis");
            }
        }

        return sizes.Count <= letters ? sizes : throw n.Refuse($"it has more than {letters} labels");
    }
}
