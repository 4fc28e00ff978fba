using ModelCompression.Gradients.Rules;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients;

/// <summary>All differentiation rules: per operator one method that emits the gradients of its inputs. docs/gradients.md lists the formulas.</summary>
internal static class GradientRules
{
    private static readonly Dictionary<string, Action<NodeGradient>> Rules = Collect();

    /// <summary>Outputs that are constant almost everywhere as functions of the inputs, or no numbers at all.</summary>
    private static readonly HashSet<string> WithoutGradient = new(StringComparer.Ordinal)
    {
        "Shape", "Size", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "Not", "And", "Or", "Xor", "ArgMax", "ArgMin", "NonZero", "IsNaN", "IsInf", "ConstantOfShape",
        "RandomNormalLike", "RandomUniformLike", "EyeLike",
    };

    /// <summary>Names of the operators that have a rule.</summary>
    public static IReadOnlyCollection<string> Operators => Rules.Keys;

    /// <summary>The rule of a node's operator, or null.</summary>
    public static Action<NodeGradient>? Find(Node node) =>
        node.IsOnnxDomain || node.Domain == "com.microsoft" ? Rules.GetValueOrDefault(node.IsOnnxDomain ? node.OpType : "com.microsoft." + node.OpType) : null;

    /// <summary>False for outputs such as sizes, comparisons and positions: no change of an input that is small enough changes them.</summary>
    public static bool CarriesGradient(Node node, Value output)
    {
        if (!node.IsOnnxDomain) return true;
        if (WithoutGradient.Contains(node.OpType)) return false;
        if (node.OpType is "MaxPool" or "TopK" or "Dropout") return output.OutputIndex == 0;
        return !(node.OpType == "Cast" && (DataType)node.GetInt("to", 0) == DataType.Bool);
    }

    private static Dictionary<string, Action<NodeGradient>> Collect()
    {
        var rules = new Dictionary<string, Action<NodeGradient>>(StringComparer.Ordinal);
        ConvolutionRules.AddTo(rules);
        MatrixRules.AddTo(rules);
        EinsumRules.AddTo(rules);
        ArithmeticRules.AddTo(rules);
        ElementaryRules.AddTo(rules);
        ActivationRules.AddTo(rules);
        NormalizationRules.AddTo(rules);
        VectorNormRules.AddTo(rules);
        PoolingRules.AddTo(rules);
        SoftmaxRules.AddTo(rules);
        ReductionRules.AddTo(rules);
        LayoutRules.AddTo(rules);
        SelectionRules.AddTo(rules);
        ResizeRules.AddTo(rules);
        foreach (string recurrent in new[] { "LSTM", "GRU", "RNN" }) rules[recurrent] = n => throw n.Refuse(RecurrentUnrolling.WhyNot(n.Node) ?? "it could not be written out");
        return rules;
    }
}
