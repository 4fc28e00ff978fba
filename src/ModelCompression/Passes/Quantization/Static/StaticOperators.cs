using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>The operators that static quantization treats: those of ONNX Runtime's static quantizer and a few that only move elements.</summary>
internal static class StaticOperators
{
    private static readonly Dictionary<string, StaticRole> Roles = new(StringComparer.Ordinal)
    {
        ["Conv"] = StaticRole.Linear,
        ["ConvTranspose"] = StaticRole.Linear,
        ["Gemm"] = StaticRole.Linear,
        ["MatMul"] = StaticRole.Linear,
        ["Relu"] = StaticRole.Bounds,
        ["Clip"] = StaticRole.Bounds,
        ["MaxPool"] = StaticRole.Moves,
        ["Reshape"] = StaticRole.Moves,
        ["Flatten"] = StaticRole.Moves,
        ["Squeeze"] = StaticRole.Moves,
        ["Unsqueeze"] = StaticRole.Moves,
        ["Transpose"] = StaticRole.Moves,
        ["Split"] = StaticRole.Moves,
        ["Slice"] = StaticRole.Moves,
        ["Gather"] = StaticRole.Moves,
        ["GatherElements"] = StaticRole.Moves,
        ["DepthToSpace"] = StaticRole.Moves,
        ["SpaceToDepth"] = StaticRole.Moves,
        ["Expand"] = StaticRole.Moves,
        ["Tile"] = StaticRole.Moves,
        ["Identity"] = StaticRole.Moves,
        ["Pad"] = StaticRole.Moves,
        ["Resize"] = StaticRole.Moves,
        ["Add"] = StaticRole.Computes,
        ["Sub"] = StaticRole.Computes,
        ["Mul"] = StaticRole.Computes,
        ["Div"] = StaticRole.Computes,
        ["LeakyRelu"] = StaticRole.Computes,
        ["Sigmoid"] = StaticRole.Computes,
        ["Tanh"] = StaticRole.Computes,
        ["HardSigmoid"] = StaticRole.Computes,
        ["Softmax"] = StaticRole.Computes,
        ["AveragePool"] = StaticRole.Computes,
        ["GlobalAveragePool"] = StaticRole.Computes,
        ["ReduceMean"] = StaticRole.Computes,
        ["Concat"] = StaticRole.Computes,
        ["Where"] = StaticRole.Computes,
        ["InstanceNormalization"] = StaticRole.Computes,
        ["LayerNormalization"] = StaticRole.Computes,
        ["BatchNormalization"] = StaticRole.Computes,
        ["ArgMax"] = StaticRole.Computes,
        ["TopK"] = StaticRole.Computes,
        ["CumSum"] = StaticRole.Computes,
    };

    /// <summary>Operators for which ONNX Runtime has integer kernels on the CPU: only there does leaving float save time.</summary>
    private static readonly HashSet<string> IntegerKernels = new(StringComparer.Ordinal)
    {
        "Conv", "Gemm", "MatMul", "Add", "Mul", "LeakyRelu", "Sigmoid", "AveragePool", "GlobalAveragePool", "Concat",
        "MaxPool", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Split", "Slice", "Gather", "GatherElements", "DepthToSpace", "SpaceToDepth", "Expand", "Tile", "Identity", "Pad", "Resize",
        "Relu", "Clip", "Softmax", "Where",
    };

    /// <summary>What the operator does.</summary>
    public static StaticRole RoleOf(Node node) => node.IsOnnxDomain && !node.Subgraphs.Any() && !node.IsParameterized ? Roles.GetValueOrDefault(node.OpType) : StaticRole.None;

    /// <summary>True if ONNX Runtime computes the operator with integers when its inputs and outputs are quantized.</summary>
    public static bool HasIntegerKernel(Node node) => IntegerKernels.Contains(node.OpType);

    /// <summary>Inputs that are activations (or constants in their place), weights and biases of linear operators included.</summary>
    public static IEnumerable<int> DataInputs(Node node) => node.OpType switch
    {
        "Add" or "Sub" or "Mul" or "Div" or "MatMul" => [0, 1],
        "Concat" => Enumerable.Range(0, node.Inputs.Count),
        "Where" => [1, 2],
        _ => [0],
    };

    /// <summary>Outputs that hold data; others are indices.</summary>
    public static IEnumerable<int> DataOutputs(Node node) => node.OpType switch
    {
        "Split" => Enumerable.Range(0, node.Outputs.Count),
        "ArgMax" => [],
        _ => [0],
    };

    /// <summary>The range an operator's output has whatever its input, or null.</summary>
    public static (float Min, float Max)? FixedRange(Node? node) => node?.IsOnnxDomain != true ? null : node.OpType switch
    {
        "Softmax" or "Sigmoid" or "HardSigmoid" => (0, 1),
        "Tanh" => (-1, 1),
        _ => null,
    };
}
