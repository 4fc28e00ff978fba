using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Conversion;

/// <summary>How operators of opsets 7 to 12 become those of opset 13.</summary>
internal static class OpsetRules
{
    /// <summary>Opset with NumPy's broadcasting; earlier models are not converted.</summary>
    public const long Oldest = 7;

    /// <summary>The opset that is reached.</summary>
    public const long Newest = 13;

    /// <summary>Rules by operator; each changes a node that <see cref="WhyNot"/> has accepted.</summary>
    private static readonly Dictionary<string, Action<Node, long>> Rules = new(StringComparer.Ordinal)
    {
        ["Clip"] = (node, from) => AttributeInputs.Clip(node, from),
        ["Pad"] = (node, from) => AttributeInputs.Pad(node, from),
        ["Slice"] = (node, from) => AttributeInputs.Slice(node, from),
        ["TopK"] = (node, from) => AttributeInputs.TopK(node, from),
        ["Squeeze"] = (node, _) => AttributeInputs.MoveInts(node, "axes", 1),
        ["Unsqueeze"] = (node, _) => AttributeInputs.MoveInts(node, "axes", 1),
        ["ReduceSum"] = (node, _) => AttributeInputs.MoveInts(node, "axes", 1),
        ["Split"] = (node, _) => AttributeInputs.MoveInts(node, "split", 1),
        ["Dropout"] = (node, from) => { if (from < 12) node.RemoveAttribute("ratio"); },
        ["Softmax"] = (node, _) => FlattenedSoftmax.Convert(node),
        ["LogSoftmax"] = (node, _) => FlattenedSoftmax.Convert(node),
        ["Hardmax"] = (node, _) => FlattenedSoftmax.Convert(node),
        ["Upsample"] = (node, from) => Resampling.Convert(node, from),
        ["Resize"] = (node, from) => { if (from < 11) Resampling.Convert(node, from); },
        ["Scatter"] = (node, _) => Renaming.Convert(node, "ScatterElements"),
    };

    /// <summary>Operators that mean the same in all these opsets: later versions only took more types or made defaults explicit.</summary>
    private static readonly HashSet<string> Unchanged = new(StringComparer.Ordinal)
    {
        "Abs", "Acos", "Acosh", "Add", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh", "AveragePool", "BatchNormalization", "BitShift", "Cast", "Ceil", "Celu", "Compress", "Concat",
        "ConcatFromSequence", "Constant", "ConstantOfShape", "Conv", "ConvInteger", "ConvTranspose", "Cos", "Cosh", "CumSum", "DepthToSpace", "DequantizeLinear", "Det", "Div", "DynamicQuantizeLinear", "Einsum", "Elu",
        "Equal", "Erf", "Exp", "Expand", "EyeLike", "Flatten", "Floor", "GRU", "Gather", "GatherElements", "GatherND", "Gemm", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "Greater", "GreaterOrEqual",
        "HardSigmoid", "Identity", "If", "InstanceNormalization", "IsInf", "IsNaN", "LRN", "LSTM", "LeakyRelu", "Less", "LessOrEqual", "Log", "Loop", "LpNormalization", "LpPool", "MatMul", "MatMulInteger", "Max",
        "MaxPool", "MaxRoiPool", "MaxUnpool", "Mean", "MeanVarianceNormalization", "Min", "Mod", "Mul", "Multinomial", "Neg", "NonMaxSuppression", "NonZero", "Not", "OneHot", "Or", "PRelu", "Pow", "QLinearConv",
        "QLinearMatMul", "QuantizeLinear", "RNN", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax",
        "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSumSquare", "Relu", "Reshape", "ReverseSequence", "RoiAlign", "Round", "Scan", "ScatterElements", "ScatterND", "Selu", "SequenceAt", "SequenceConstruct", "SequenceEmpty",
        "SequenceErase", "SequenceInsert", "SequenceLength", "Shape", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Size", "Softplus", "Softsign", "SpaceToDepth", "SplitToSequence", "Sqrt", "StringNormalizer", "Sub", "Sum",
        "Tan", "Tanh", "TfIdfVectorizer", "ThresholdedRelu", "Tile", "Transpose", "Unique", "Where", "Xor",
    };

    /// <summary>Why a node cannot be converted, or null.</summary>
    public static string? WhyNot(Node node, long from)
    {
        if (!node.IsOnnxDomain) return null;
        if (node.IsParameterized) return "its attributes come from a function's caller";
        return node.OpType switch
        {
            "Scan" when from < 9 => "Scan of opset 8 has a batch axis",
            "Dropout" when from < 12 && node.Outputs.Count > 1 && node.Outputs[1] is { IsUnused: false } => "the mask of Dropout changes its type",
            "BatchNormalization" when node.Outputs.Skip(1).Any(o => o is not null) => "BatchNormalization for training changes its outputs",
            "Upsample" or "Resize" => from < 11 ? Resampling.WhyNot(node, from) : null,
            _ => Rules.ContainsKey(node.OpType) || Unchanged.Contains(node.OpType) ? null : $"no rule for {node.OpType} of opset {from}",
        };
    }

    /// <summary>Converts a node.</summary>
    public static void Convert(Node node, long from)
    {
        if (node.IsOnnxDomain && Rules.TryGetValue(node.OpType, out var rule)) rule(node, from);
    }
}
