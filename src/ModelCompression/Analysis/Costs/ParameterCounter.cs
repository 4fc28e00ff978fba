using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Costs;

/// <summary>Counts a model's parameters.</summary>
public static class ParameterCounter
{
    /// <summary>Counts parameters without looking at their values.</summary>
    public static ParameterCount Count(Model model) => Count(model, null, countsNonZero: false, maxThreads: 1);

    /// <summary>Counts parameters and those that are not zero.</summary>
    /// <param name="model">The model.</param>
    /// <param name="nonZeroOf">
    /// Number of non-zero elements of a weight that is computed from a compact stored form, or null when not known; such a weight then counts in full.
    /// </param>
    /// <param name="maxThreads">Threads to use; −1 for all.</param>
    public static ParameterCount CountNonZero(Model model, Func<Value, long?>? nonZeroOf = null, int maxThreads = -1) => Count(model, nonZeroOf, countsNonZero: true, maxThreads);

    private static ParameterCount Count(Model model, Func<Value, long?>? nonZeroOf, bool countsNonZero, int maxThreads)
    {
        var constants = ConstantExpressions.Of(model);
        var quantized = AlreadyQuantized.Of(model, constants);
        var integerWeights = quantized.IntegerWeights.ToHashSet();
        ShapeInferenceResult? shapes = null;
        long total = 0, nonZero = 0;
        var stored = new List<Tensor>();
        var counted = new HashSet<Value>(ReferenceEqualityComparer.Instance);
        foreach (var value in Weights(model, constants, quantized, integerWeights))
        {
            // Branches may unpack or transpose the same stored weight each for itself.
            if (!counted.Add(SourceOf(value, constants))) continue;
            long count = LogicalCount(value);
            total += count;
            if (!countsNonZero) continue;
            // Integer codes equal to their zero point stand for zero, but only whoever wrote them knows it.
            if (nonZeroOf?.Invoke(value) is { } known) nonZero += known;
            else if (value.TryGetConstant(out var tensor) && tensor.DataType.IsFloatingPoint()) stored.Add(tensor);
            else nonZero += count;
        }

        return new(total, countsNonZero ? nonZero + NonZeroCounter.Count(stored, maxThreads).Sum() : null);

        long LogicalCount(Value value)
        {
            if (PackedCount(value) is { } packed) return packed;
            if (value.TryGetConstant(out var tensor)) return tensor.ElementCount;
            shapes ??= ShapeInference.Evaluate(model, new Dictionary<string, Shape>());
            return shapes.ShapeOf(value)?.ElementCount ?? 0;
        }
    }

    /// <summary>Weights in graph order: the constants that computing nodes and graph outputs take.</summary>
    private static IEnumerable<Value> Weights(Model model, ConstantExpressions constants, AlreadyQuantized quantized, HashSet<Value> integerWeights)
    {
        foreach (var graph in model.AllGraphs())
        {
            foreach (var value in graph.Initializers.Concat(graph.Nodes.SelectMany(n => n.Outputs).OfType<Value>()))
            {
                if (!constants.IsConstant(value) || !(value.IsGraphOutput || value.Uses.Any(u => !constants.IsConstant(u.Node)))) continue;
                if (QuantizedOperators.DescribesCodes(value)) continue;
                if (integerWeights.Contains(value) || (constants.CodesOf(value) == value && IsMatrix(value))) yield return value;
                else if (quantized.ReasonFor(value) is { } reason && !reason.StartsWith("bias", StringComparison.Ordinal) && !reason.Contains("(QuantizeLinear)", StringComparison.Ordinal)) continue;
                else if (value.TryGetConstant(out var tensor)) { if (tensor.DataType.IsFloatingPoint() && tensor.Rank > 0) yield return value; }
                else if (constants.CodesOf(value) is not null || FloatSource(value) is not null) yield return value;
            }
        }
    }

    /// <summary>A table of integers that Gather and the like take before it is dequantized; vectors are zero points.</summary>
    private static bool IsMatrix(Value value) => value.TryGetConstant(out var tensor) && tensor.Rank >= 2;

    /// <summary>The stored tensor a weight is made of; the weight itself when it is stored.</summary>
    private static Value SourceOf(Value weight, ConstantExpressions constants) => constants.CodesOf(weight) ?? FloatSource(weight) ?? weight;

    /// <summary>The stored floating point tensor of rank 1 or more that a computed constant comes from by its first inputs, or null; the part of it when a Split cuts it up.</summary>
    private static Value? FloatSource(Value value)
    {
        Value? part = null;
        for (int depth = 0; depth < 8 && value.Producer is { } node; depth++)
        {
            if (node.Inputs.FirstOrDefault(i => i is not null) is not { } input) return null;
            if (node.Is("Split")) part ??= value;
            if (input.TryGetConstant(out var tensor)) return tensor.DataType.IsFloatingPoint() && tensor.Rank > 0 ? part ?? input : null;
            value = input;
        }

        return null;
    }

    /// <summary>Elements of weights that ONNX Runtime's operators take packed in bytes.</summary>
    private static long? PackedCount(Value value)
    {
        foreach (var use in value.Uses)
        {
            var node = use.Node;
            if (node is { OpType: "MatMulNBits" or "MatMulBnb4" or "MatMulFpQ4", Domain: "com.microsoft" } && use.Index == 1 && node.GetInt("K", 0) > 0 && node.GetInt("N", 0) > 0)
                return node.GetInt("K", 0) * node.GetInt("N", 0);
            if (node is { OpType: "GatherBlockQuantized", Domain: "com.microsoft" } && use.Index == 0 && value.TryGetConstant(out var table))
                return table.DataType == DataType.UInt8 ? table.ElementCount * (8 / Math.Max(1, node.GetInt("bits", 4))) : table.ElementCount;
        }

        return null;
    }
}
