using ModelCompression.Analysis;
using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization.Dynamic;

/// <summary>Which operators have integer kernels in ONNX Runtime, and what these take.</summary>
internal static class IntegerNodeRules
{
    /// <summary>DynamicQuantizeLinear exists.</summary>
    public const long DynamicQuantizeOpset = 11;

    /// <summary>Products of a code of 0…255 and one of ±128 whose sum always fits 32 bits: 2^31 / (255 · 128).</summary>
    public const long MaxSumLength = 65_793;

    private const string Microsoft = "com.microsoft";

    private static readonly HashSet<string> KeepsProportions = new(StringComparer.Ordinal)
    {
        "Clip", "Max", "Min", "Relu", "Abs", "Add", "Mul", "Cast", "Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten",
    };

    /// <summary>Why a node with weights cannot, or had better not, compute with integers; null when nothing speaks against it yet.</summary>
    public static string? WhyNot(Node node, CompressionOptions options, GraphTarget target)
    {
        if (node.IsParameterized) return "its attributes come from the function's caller";
        if (options.QuantizationScheme is not (QuantizationScheme.Symmetric or QuantizationScheme.Asymmetric)) return $"integer kernels take evenly spaced codes, not {options.QuantizationScheme}";
        if (FeedsLogarithm(node)) return "its output goes through a logarithm, where small values count as much as large ones; activation codes keep only the large ones";
        if (options.QuantizationGranularity == QuantizationGranularity.Block) return "integer kernels take one scale per channel or tensor, not per block";
        if (target.Opset < WeightPlanner.BroadcastOpset) return FormattableString.Invariant($"opset {target.Opset} has no broadcasting to scale the products with; opset {WeightPlanner.BroadcastOpset} and later have");
        if (target.UsesConstantNodes && ConstantNode.WhyNot(target.Opset, DataType.Int8) is { } noIntegers) return noIntegers;
        return (node.IsOnnxDomain, node.OpType) switch
        {
            (true, "MatMul" or "Gemm" or "LSTM") => null,
            (true, "Conv") when options.QuantizationFormat != QuantizationFormat.QOperator =>
                "a convolution of dynamically quantized activations is several times slower than float; QuantizationFormat=QOperator insists on it",
            (true, "Conv") when target.Opset < DynamicQuantizeOpset => FormattableString.Invariant($"DynamicQuantizeLinear needs opset {DynamicQuantizeOpset}, the model has {target.Opset}"),
            (true, "Conv") => null,
            _ => $"ONNX Runtime has no dynamic integer kernel for {(node.IsOnnxDomain ? "" : node.Domain + ".")}{node.OpType}",
        };
    }

    /// <summary>
    /// True when a Log takes the output as it is or scaled, shifted, clipped or reordered, as for spectra in dB. Codes with one scale for all activations are exact to 1/255
    /// of the largest: what lies 40 dB below is lost, and the logarithm shows it.
    /// </summary>
    private static bool FeedsLogarithm(Node node)
    {
        const int maxSteps = 6;
        var reached = new List<Node> { node };
        for (int step = 0; step < maxSteps && reached.Count > 0; step++)
        {
            reached = [.. reached.SelectMany(n => n.Outputs).OfType<Value>().SelectMany(v => v.Uses).Select(u => u.Node)];
            if (reached.Exists(n => n.Is("Log"))) return true;
            reached.RemoveAll(n => !n.IsOnnxDomain || !KeepsProportions.Contains(n.OpType));
        }

        return false;
    }

    /// <summary>The call that a node becomes, or null when an operand is not a stored weight in the place where the kernel wants one.</summary>
    public static IntegerCall? Call(Node node, CompressionOptions options, GraphTarget target, IReadOnlyDictionary<Value, WeightSite> sites)
    {
        bool perTensor = options.QuantizationGranularity == QuantizationGranularity.Tensor;
        bool hasLinear = target.Opset >= DynamicQuantizeOpset;
        switch (node.OpType)
        {
            case "LSTM" when LstmView.TryFrom(node, out var lstm) && !lstm.IsBatchFirst && lstm.Recurrence != lstm.Weight:
                return Make(IntegerKernel.DynamicQuantizeLstm, (lstm.Weight, [0, 1], true), (lstm.Recurrence, [0, 1], true));
            case "Conv" when ConvView.TryFrom(node, out var conv):
                return Make(IntegerKernel.ConvInteger, (conv.Weight, [0], false));
            case "Gemm" when GemmView.TryFrom(node, out var gemm):
                return Make(hasLinear ? IntegerKernel.MatMulInteger : IntegerKernel.DynamicQuantizeMatMul, (gemm.B, [gemm.ChannelAxisOfB], gemm.TransB));
            case "MatMul" when node.Input(1) is { } b && sites.TryGetValue(b, out var site) && (hasLinear || site.Tensor.Rank == 2):
                return Make(hasLinear ? IntegerKernel.MatMulInteger : IntegerKernel.DynamicQuantizeMatMul, (b, [site.Tensor.Rank - 1], false));
            default:
                return null;
        }

        IntegerCall? Make(IntegerKernel kernel, params (Value Weight, int[] Axes, bool Transposed)[] operands)
        {
            var found = new List<IntegerOperand>();
            foreach (var (weight, axes, transposed) in operands)
            {
                if (!sites.TryGetValue(weight, out var site)) return null;
                found.Add(new(site, perTensor ? kernel == IntegerKernel.DynamicQuantizeLstm ? [0] : [] : axes, transposed));
            }

            return new(node, kernel, found, options);
        }
    }

    /// <summary>True if the kernel takes a zero point for every scale; DynamicQuantizeLSTM and ConvInteger take one value for all channels.</summary>
    public static bool TakesZeroPoints(IntegerKernel kernel, IntegerOperand operand) => kernel switch
    {
        IntegerKernel.DynamicQuantizeLstm => operand.ScaleAxes.Count < 2,
        IntegerKernel.ConvInteger => operand.ScaleAxes.Count == 0,
        // A zero point per column of several matrices would have to be stated for each of them.
        _ => operand.ScaleAxes.Count == 0 || operand.Site.Tensor.Rank == 2,
    };

    /// <summary>Number of products that the kernel sums.</summary>
    public static long SumLength(IntegerOperand operand)
    {
        var use = operand.Site.Uses[0];
        var dims = operand.Site.Tensor.Dims;
        return use.Role == WeightRole.Convolution ? operand.Site.Tensor.ElementCount / Math.Max(1, dims[0]) : dims[use.ReductionAxis];
    }

    /// <summary>Domain of a kernel.</summary>
    public static string DomainOf(IntegerKernel kernel) => kernel is IntegerKernel.DynamicQuantizeMatMul or IntegerKernel.DynamicQuantizeLstm ? Microsoft : "";
}
