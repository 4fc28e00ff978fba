using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis;

/// <summary>
/// Knows which values are constants: stored ones, and those computed from stored ones alone, such as weights that are kept in a compact form and
/// unpacked when a session folds constants.
/// </summary>
public sealed class ConstantExpressions
{
    private static readonly HashSet<string> Random =
        new(StringComparer.Ordinal) { "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli" };

    private readonly Dictionary<Value, bool> computed = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, Value?> codes = new(ReferenceEqualityComparer.Instance);

    private ConstantExpressions()
    {
    }

    /// <summary>Scans a model.</summary>
    public static ConstantExpressions Of(Model model)
    {
        var found = new ConstantExpressions();
        foreach (var function in model.Functions) found.Visit(function.Body);
        found.Visit(model.Graph);
        return found;
    }

    /// <summary>True if the value is stored, or computed from stored values alone.</summary>
    public bool IsConstant(Value value) => computed.GetValueOrDefault(value);

    /// <summary>True if the value is not stored but computed from stored values alone.</summary>
    public bool IsComputed(Value value) => IsConstant(value) && !IsStored(value);

    /// <summary>True if the node computes constants only.</summary>
    public bool IsConstant(Node node) => node.Outputs.Any(o => o is not null && IsComputed(o));

    /// <summary>
    /// The stored integers (up to 8 bits each, at least 16 of them) that a computed constant is made of, the largest if there are several; or null.
    /// They are what quantized, palettized or sparse weights are stored as.
    /// </summary>
    public Value? CodesOf(Value value) => codes.GetValueOrDefault(value);

    private static bool IsStored(Value value) => value.TryGetConstant(out _) || value.SparseInitializer is not null;

    private void Visit(OnnxGraph graph)
    {
        foreach (var initializer in graph.Initializers) Store(initializer);
        foreach (var node in graph.Nodes)
        {
            foreach (var subgraph in node.Subgraphs) Visit(subgraph);
            if (node.Output() is { } output && IsStored(output)) Store(output);
            else if (node.Inputs.Count > 0 && !node.Subgraphs.Any() && !Random.Contains(node.OpType) && node.Inputs.All(i => i is null || IsConstant(i))) Compute(node);
        }
    }

    private void Store(Value value)
    {
        computed[value] = true;
        if (value.TryGetConstant(out var tensor) && tensor.ElementCount >= 16 && IsCode(tensor.DataType)) codes[value] = value;
    }

    private void Compute(Node node)
    {
        Value? largest = null;
        foreach (var input in node.Inputs)
            if (input is not null && CodesOf(input) is { } code && (largest is null || ByteLength(code) > ByteLength(largest))) largest = code;
        foreach (var output in node.Outputs)
        {
            if (output is null) continue;
            computed[output] = true;
            if (largest is not null) codes[output] = largest;
        }
    }

    private static long ByteLength(Value stored) => stored.TryGetConstant(out var tensor) ? tensor.ByteLength : 0;

    private static bool IsCode(DataType type) => type is DataType.Int8 or DataType.UInt8 or DataType.Int4 or DataType.UInt4 or DataType.Int2 or DataType.UInt2
        or DataType.Float8E4M3FN or DataType.Float8E4M3FNUZ or DataType.Float8E5M2 or DataType.Float8E5M2FNUZ or DataType.Float4E2M1;
}
