using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Gradients;

/// <summary>Normalizations, Einstein sums, elementary functions and operators that pick elements by position.</summary>
internal static class NormalizationCases
{
    public static void AddTo(Dictionary<string, (long, Func<OperatorCase, Value>)> cases)
    {
        AddNormalizations(cases);
        AddPicks(cases);
        foreach (string equation in new[] { "ij,jk->ik", "bij,bjk->bki", "bhqd,bhkd->bhqk", "ij,k->kj" }) cases[$"Einsum {equation}"] = (12, c => Einsum(c, equation));
        cases["Einsum three operands"] = (12, c => Einsum(c, "ij,jk,kl->il"));
        cases["Einsum one operand"] = (12, c => Einsum(c, "ijk->ji"));
        cases["Einsum ellipsis"] = (12, c => c.Op("Einsum", [c.Weight(2, 3, 4), c.Weight(2, 4, 5)], NodeAttribute.Of("equation", "...ij,...jk")));
        foreach (string op in new[] { "Sinh", "Cosh", "Tan", "Atan", "Asinh", "Asin", "Acos", "Atanh" }) cases[op] = (13, c => c.Op(op, [c.Weight(-0.8, 0.8, 3, 4)]));
        cases["Acosh"] = (13, c => c.Op("Acosh", [c.Weight(1.3, 3, 3, 4)]));
        cases["com.microsoft.BiasGelu"] = (13, c => Microsoft(c, "BiasGelu", [c.Weight(-2.0, 2, 3, 4), c.Weight(4)]));
        cases["com.microsoft.FastGelu bias"] = (13, c => Microsoft(c, "FastGelu", [c.Weight(-2.0, 2, 3, 4), c.Weight(4)]));
        cases["com.microsoft.FastGelu plain"] = (13, c => Microsoft(c, "FastGelu", [c.Weight(-2.0, 2, 3, 4)]));
    }

    private static void AddNormalizations(Dictionary<string, (long, Func<OperatorCase, Value>)> cases)
    {
        cases["GroupNormalization per group"] = (18, c => c.Op("GroupNormalization", [c.Weight(2, 6, 3, 2), c.Weight(3), c.Weight(3)], NodeAttribute.Of("num_groups", 3)));
        cases["GroupNormalization per channel"] = (21, c => c.Op("GroupNormalization", [c.Weight(2, 6, 5), c.Weight(6), c.Weight(6)], NodeAttribute.Of("num_groups", 2)));
        cases["RMSNormalization"] = (23, c => c.Op("RMSNormalization", [c.Weight(3, 5), c.Weight(5)]));
        cases["RMSNormalization two axes"] = (23, c => c.Op("RMSNormalization", [c.Weight(2, 3, 4), c.Weight(3, 4)], NodeAttribute.Of("axis", 1)));
        cases["SimplifiedLayerNormalization"] = (13, c => c.Op("SimplifiedLayerNormalization", [c.Weight(3, 5), c.Weight(5)], NodeAttribute.Of("axis", -1), NodeAttribute.Of("epsilon", 1e-5f)));
        cases["MeanVarianceNormalization"] = (13, c => c.Op("MeanVarianceNormalization", [c.Weight(2, 3, 4, 2)]));
        cases["MeanVarianceNormalization axes"] = (13, c => c.Op("MeanVarianceNormalization", [c.Weight(2, 3, 4, 2)], NodeAttribute.Of("axes", 2, 3)));
        cases["LpNormalization"] = (13, c => c.Op("LpNormalization", [c.Weight(2, 3, 4)], NodeAttribute.Of("axis", 1)));
        cases["LpNormalization sum"] = (13, c => c.Op("LpNormalization", [c.Spread(0.06, 2, 3, 4)], NodeAttribute.Of("p", 1)));
        foreach (long size in new[] { 3L, 5 })
            cases[$"LRN {size}"] = (13, c => c.Op("LRN", [c.Weight(2, 6, 2, 3)], NodeAttribute.Of("size", size), NodeAttribute.Of("alpha", 0.9f), NodeAttribute.Of("beta", 0.6f), NodeAttribute.Of("bias", 1.5f)));
        cases["com.microsoft.SkipLayerNormalization"] = (13, c => Microsoft(c, "SkipLayerNormalization", [c.Weight(2, 3, 4), c.Weight(2, 3, 4), c.Weight(4), c.Weight(4), c.Weight(4)]));
        cases["com.microsoft.SkipLayerNormalization sum"] = (13, c =>
        {
            c.Model.OpsetImports["com.microsoft"] = 1;
            var node = c.Model.Graph.AddNode("SkipLayerNormalization", [c.Weight(2, 3, 4), c.Weight(2, 3, 4), c.Weight(4)], ["y", "", "", "sum"], domain: "com.microsoft");
            return c.Op("Mul", [node.Outputs[0]!, node.Outputs[3]!]);
        }
        );
    }

    private static void AddPicks(Dictionary<string, (long, Func<OperatorCase, Value>)> cases)
    {
        cases["GatherElements"] = (16, c => c.Op("GatherElements", [c.Weight(3, 4), c.Constant(Tensor.Int64([2, 4], 0, 2, 2, 1, 0, 0, 2, -1))]));
        cases["GatherElements inner"] = (18, c => c.Op("GatherElements", [c.Weight(2, 4), c.Constant(Tensor.Int64([2, 3], 0, 3, 3, 1, 0, 0))], NodeAttribute.Of("axis", 1)));
        cases["GatherND"] = (16, c => c.Op("GatherND", [c.Weight(3, 2, 4), c.Constant(Tensor.Int64([3, 2], 0, 1, 2, 0, 0, 1))]));
        foreach (var (exclusive, reverse) in new[] { (0, 0), (1, 0), (0, 1), (1, 1) })
            cases[$"CumSum {exclusive}{reverse}"] = (13, c => c.Op("CumSum", [c.Weight(3, 4), c.Constant(Tensor.Int64([], 1))], NodeAttribute.Of("exclusive", exclusive), NodeAttribute.Of("reverse", reverse)));
        cases["Trilu"] = (14, c => c.Op("Trilu", [c.Weight(2, 4, 4)], NodeAttribute.Of("upper", 0)));
        cases["Trilu shifted"] = (14, c => c.Op("Trilu", [c.Weight(4, 5), c.Constant(Tensor.Int64([], 1))]));
        cases["ReverseSequence"] = (13, c => c.Op("ReverseSequence", [c.Weight(4, 3, 2), c.Ints(4, 1, 3)]));
    }

    /// <summary>Operands with a size of its own for each label.</summary>
    private static Value Einsum(OperatorCase c, string equation)
    {
        Value?[] operands = [.. equation.Split("->")[0].Split(',').Select(term => c.Weight([.. term.Select(label => 2L + (label % 3))]))];
        return c.Op("Einsum", operands, NodeAttribute.Of("equation", equation));
    }

    private static Value Microsoft(OperatorCase c, string op, Value?[] inputs)
    {
        c.Model.OpsetImports["com.microsoft"] = 1;
        return c.Model.Graph.AddNode(op, inputs, ["y"], domain: "com.microsoft").Outputs[0]!;
    }
}
