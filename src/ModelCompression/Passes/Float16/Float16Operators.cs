using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Float16;

/// <summary>Which standard operators may compute in binary16, and which of their inputs and outputs stay binary32 then.</summary>
internal static class Float16Operators
{
    /// <summary>The first operator set in which all operators below take binary16 and broadcast as numpy does.</summary>
    public const long MinOpset = 7;

    private static readonly HashSet<string> Movement = Names("""
        Identity Reshape Transpose Squeeze Unsqueeze Flatten Slice Concat Split Gather GatherElements GatherND Expand Tile Pad DepthToSpace SpaceToDepth
        ReverseSequence Scatter ScatterElements ScatterND Compress Trilu Where
        """);

    private static readonly HashSet<string> Arithmetic = Names("""
        Add Sub Mul Div Neg Abs Sqrt Reciprocal Exp Log Pow Sum Mean Floor Ceil Round Sign Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Erf Clip
        Relu LeakyRelu PRelu Elu Selu ThresholdedRelu HardSigmoid HardSwish Sigmoid Tanh Softplus Softsign Softmax LogSoftmax Hardmax Gelu Mish Swish
        Conv ConvTranspose Gemm MatMul Einsum LSTM GRU RNN
        AveragePool MaxPool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool Resize GridSample
        BatchNormalization InstanceNormalization LayerNormalization GroupNormalization RMSNormalization LRN
        ReduceMean ReduceSum ReduceMax ReduceMin ReduceL1 ArgMax ArgMin Equal Less LessOrEqual Greater GreaterOrEqual
        """);

    /// <summary>Operators whose result binary16 holds badly or not at all, with the reason.</summary>
    private static readonly Dictionary<string, string> Kept = new(StringComparer.Ordinal)
    {
        ["Range"] = "counts beyond 2048 are not exact in binary16",
        ["CumSum"] = "its sums are not exact in binary16",
        ["Min"] = "kept in binary32, as runtimes have it",
        ["Max"] = "kept in binary32, as runtimes have it",
        ["TopK"] = "ties in binary16 would change the order",
        ["NonMaxSuppression"] = "takes binary32 only",
        ["RoiAlign"] = "coordinates are not exact enough in binary16",
        ["Upsample"] = "kept in binary32, as runtimes have it",
        ["ReduceSumSquare"] = "its sums easily exceed 65504",
        ["ReduceL2"] = "its sums easily exceed 65504",
        ["ReduceProd"] = "its products easily exceed 65504",
        ["ReduceSumExp"] = "its sums easily exceed 65504",
        ["ReduceLogSumExp"] = "its sums easily exceed 65504",
        ["LpNormalization"] = "its sums easily exceed 65504",
        ["MeanVarianceNormalization"] = "its sums easily exceed 65504",
    };

    /// <summary>Why an operator stays binary32; null when it may compute in binary16.</summary>
    public static string? WhyNot(Node node)
    {
        if (!node.IsOnnxDomain) return $"operators of domain '{node.Domain}' stay binary32";
        if (node.Subgraphs.Any()) return "what control flow passes on stays binary32";
        if (Kept.TryGetValue(node.OpType, out string? reason)) return reason;
        return Movement.Contains(node.OpType) || Arithmetic.Contains(node.OpType) ? null : $"{node.OpType} is not among the operators that compute in binary16";
    }

    /// <summary>True for operators that rearrange elements without computing.</summary>
    public static bool OnlyMoves(Node node) => Movement.Contains(node.OpType);

    /// <summary>True for operators that take numbers of any type and yield none of it: they need no conversion in front.</summary>
    public static bool TakesAnyType(Node node) => node.Is("Shape") || node.Is("Size") || (node.Is("Cast") && node.GetInt("to", 0) != (long)Onnx.Tensors.DataType.String);

    /// <summary>True if a constant beyond ±65504 works as well at the end of the range: limits, masks and fill values.</summary>
    public static bool TakesLimits(Node node) => node.OpType is "Add" or "Sub" or "Where" or "Clip" or "Pad";

    /// <summary>False for inputs that are binary32 by specification, whatever the others are.</summary>
    public static bool IsConvertibleInput(Node node, int index) => node.OpType != "Resize" || index == 0;

    /// <summary>False for outputs that are binary32 by specification, whatever the inputs are.</summary>
    public static bool IsConvertibleOutput(Node node, int index) => node.OpType != "LayerNormalization" || index == 0;

    private static HashSet<string> Names(string list) => new(list.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries), StringComparer.Ordinal);
}
