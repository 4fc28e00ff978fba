using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Float16;

/// <summary>Decides which nodes compute in binary16 and which values are binary16 then. Changes nothing.</summary>
/// <remarks>
/// Interfaces keep their types: those of the model, of subgraphs and of functions. A node between binary32 nodes that does not multiply
/// matrices stays binary32 too, since converting to it and back would cost more than it saves.
/// </remarks>
internal sealed class Float16Plan
{
    /// <summary>In constants of fewer elements than this, such as an epsilon, a number below binary16's normal range does no harm.</summary>
    private const long WeightElementCount = 64;

    private static readonly HashSet<string> Multiplying = new(StringComparer.Ordinal) { "Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "LSTM", "GRU", "RNN" };

    private readonly Model model;
    private readonly CompressionSettings settings;
    private readonly ShapeInferenceResult types;
    private readonly AlreadyQuantized quantized;
    private readonly HashSet<(string Domain, string OpType)> functions;
    private readonly Dictionary<Value, Float16Tensor?> rounded = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<Node> halves = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Node, string> reasons = new(ReferenceEqualityComparer.Instance);

    private Float16Plan(Model model, CompressionSettings settings)
    {
        this.model = model;
        this.settings = settings;
        types = ShapeInference.Evaluate(model, new Dictionary<string, Shape>());
        quantized = AlreadyQuantized.Of(model);
        functions = [.. model.Functions.Select(f => (f.Domain, f.Name))];
    }

    /// <summary>Nodes asked for that stay binary32, with the reason, in graph order.</summary>
    public IReadOnlyDictionary<Node, string> Reasons => reasons;

    /// <summary>True if any node computes in binary16.</summary>
    public bool Any => halves.Count > 0;

    /// <summary>Plans a model.</summary>
    public static Float16Plan Of(Model model, CompressionSettings settings)
    {
        var plan = new Float16Plan(model, settings);
        var nodes = model.Graph.AllNodes().Where(plan.IsAskedFor).ToArray();
        foreach (var node in nodes)
        {
            if (plan.WhyNot(node) is not { } reason) plan.halves.Add(node);
            else if (reason.Length > 0) plan.reasons[node] = reason;
        }

        plan.LeaveIsolatedNodes(nodes);
        return plan;
    }

    /// <summary>True if the node computes in binary16.</summary>
    public bool IsHalf(Node node) => halves.Contains(node);

    /// <summary>True if the value was binary32 and will be binary16.</summary>
    public bool BecomesHalf(Value value) => value.Producer is { } node && IsFloat(value)
        && (IsHalf(node) ? Float16Operators.IsConvertibleOutput(node, value.OutputIndex) : IsFreeSource(node) && IsTakenAsHalf(value));

    /// <summary>True if a use needs the binary16 form of a binary32 value.</summary>
    public bool NeedsHalf(Use use) => IsHalf(use.Node) && Float16Operators.IsConvertibleInput(use.Node, use.Index);

    /// <summary>True if the value is a binary32 tensor now.</summary>
    public bool IsFloat(Value value) => (types.TypeOf(value) as TensorType)?.ElementType == DataType.Float;

    /// <summary>True if the value is binary16 already.</summary>
    public bool WasHalf(Value value) => (types.TypeOf(value) as TensorType)?.ElementType == DataType.Float16;

    /// <summary>The binary16 form of a constant.</summary>
    public Float16Tensor Rounded(Value constant) => Round(constant)!;

    /// <summary>A node whose output type is an attribute: it may as well be binary16 at once.</summary>
    private bool IsFreeSource(Node node) => node.Is("Cast")
        ? node.GetInt("to", 0) == (long)DataType.Float && !WasHalf(node.Inputs[0]!)
        : node.Is("ConstantOfShape") && (!node.TryGetAttribute("value", out var fill) || Float16Rounding.TryRound(fill.Tensor) is not null);

    private bool IsTakenAsHalf(Value value) => value.Uses.Count > 0 && !value.IsGraphOutput && !value.IsReferencedByName
        && IsAskedFor(value.Producer!) && settings.ReasonToSkip(value.Producer!) is null && value.Uses.All(NeedsHalf);

    private bool IsAskedFor(Node node) => settings.For(node) is { Quantization: QuantizationMode.Float16, QuantizationFormat: QuantizationFormat.QOperator };

    /// <summary>Why a node stays binary32; empty when it has nothing that could be binary16; null when it computes in binary16.</summary>
    private string? WhyNot(Node node)
    {
        if (node.Is("Constant") || node.Is("ConstantOfShape") || Float16Operators.TakesAnyType(node) || !HasFloat(node)) return "";
        if (settings.ReasonToSkip(node) is { } skipped) return skipped;
        if (model.OpsetImports.Onnx < Float16Operators.MinOpset) return FormattableString.Invariant($"opset {model.OpsetImports.Onnx} is too old, {Float16Operators.MinOpset} is needed");
        if (quantized.ReasonFor(node) is { } already) return already;
        if (functions.Contains((node.Domain, node.OpType))) return "functions of the model stay binary32";
        if (Float16Operators.WhyNot(node) is { } reason) return reason;
        foreach (var value in node.Inputs.Concat(node.Outputs))
        {
            if (value is null) continue;
            if (types.TypeOf(value) is not TensorType { ElementType: not DataType.Undefined }) return $"the type of '{value.Name}' is not known";
            if (value.IsReferencedByName) return $"'{value.Name}' is referenced by training information";
        }

        return WhyConstantsForbid(node);
    }

    private bool HasFloat(Node node) => node.Inputs.Concat(node.Outputs).Any(v => v is not null && IsFloat(v));

    private string? WhyConstantsForbid(Node node)
    {
        for (int i = 0; i < node.Inputs.Count; i++)
        {
            if (node.Inputs[i] is not { } input || !IsFloat(input) || !Float16Operators.IsConvertibleInput(node, i)) continue;
            if (quantized.ReasonFor(input) is { } already) return $"'{input.Name}' is {already}";
            if (input.SparseInitializer is not null) return $"'{input.Name}' is stored sparse";
            if (!input.TryGetConstant(out _)) continue;
            if (Round(input) is not { } half) return $"'{input.Name}' has NaN or infinite elements";
            if (half.Overflows > 0 && !Float16Operators.TakesLimits(node)) return FormattableString.Invariant($"{half.Overflows} elements of '{input.Name}' are beyond ±65504");
            if (half.Overflows == 0 && half.Tensor.ElementCount >= WeightElementCount && half.Noise.SqnrDb < ConvertToFloat16.MinSqnrDb)
                return FormattableString.Invariant($"the elements of '{input.Name}' are too small for binary16 ({half.Noise.SqnrDb:0.0} dB would be left)");
        }

        return null;
    }

    private Float16Tensor? Round(Value constant)
    {
        if (!rounded.TryGetValue(constant, out var half) && constant.TryGetConstant(out var tensor))
            rounded[constant] = half = tensor.ElementCount <= Array.MaxLength ? Float16Rounding.TryRound(tensor) : null;
        return half;
    }

    /// <summary>Takes nodes off the plan until none is left that only binary32 nodes surround.</summary>
    private void LeaveIsolatedNodes(Node[] nodes)
    {
        for (bool changed = true; changed;)
        {
            changed = false;
            foreach (var node in nodes)
            {
                if (!IsHalf(node) || Multiplying.Contains(node.OpType) || node.Inputs.Any(v => v?.Producer is { } p && IsHalf(p) && BecomesHalf(v)) || node.Outputs.Any(IsUsedAsHalf)) continue;
                halves.Remove(node);
                reasons[node] = "stands between binary32 operators";
                changed = true;
            }
        }
    }

    private bool IsUsedAsHalf(Value? output) => output is not null && IsFloat(output) && output.Uses.Any(NeedsHalf);
}
