using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Costs;

/// <summary>Walks graphs and adds up the multiply-accumulate operations of their nodes.</summary>
internal sealed class MacCounter
{
    /// <summary>Functions that call functions; deeper ones do not occur and could only be hostile.</summary>
    private const int MaxCallDepth = 16;

    private readonly ShapeInferenceResult shapes;
    private readonly ConstantExpressions constants;
    private readonly List<string> notes;
    private readonly List<NodeCost> nodes = [];
    private readonly Dictionary<(string, string, string), Function> functions = [];
    private readonly Dictionary<Function, long> functionCosts = [];
    private int callDepth;

    public MacCounter(Model model, ShapeInferenceResult shapes, List<string> notes)
    {
        this.shapes = shapes;
        this.notes = notes;
        constants = ConstantExpressions.Of(model);
        foreach (var function in model.Functions) functions.TryAdd((function.Domain, function.Name, function.Overload), function);
    }

    public IReadOnlyList<NodeCost> Nodes => nodes;

    /// <summary>Adds up one run of a graph; saturates instead of overflowing.</summary>
    public long Count(OnnxGraph graph)
    {
        long total = 0;
        foreach (var node in graph.Nodes) total = Add(total, Count(node));
        return total;
    }

    /// <summary>Shape of a value with every size known; null when not even the rank is.</summary>
    public long[]? SizesOf(Value? value)
    {
        if (value is null || shapes.ShapeOf(value) is not { } shape) return null;
        if (!shape.IsStatic) Note($"open dimensions of '{value.Name}' {shape} counted as {CostModel.DefaultSize}");
        return [.. shape.Dimensions.Select(d => d.Size ?? CostModel.DefaultSize)];
    }

    private long Count(Node node)
    {
        if (constants.IsConstant(node)) return 0;
        // The place in the list is reserved first, so that the nodes inside come after their control-flow node.
        int at = nodes.Count;
        nodes.Add(new NodeCost(node, 0));
        long macs = node switch
        {
            { OpType: "If", IsOnnxDomain: true } => node.Subgraphs.Select(Count).DefaultIfEmpty().Max(),
            { OpType: "Loop", IsOnnxDomain: true } => Multiply(node.Subgraphs.Sum(Count), Rounds(node)),
            { OpType: "Scan", IsOnnxDomain: true } => Multiply(node.Subgraphs.Sum(Count), Steps(node)),
            _ when functions.TryGetValue((node.Domain, node.OpType, node.Overload), out var function) => Call(function),
            _ when node.Subgraphs.Any() => node.Subgraphs.Sum(Count),
            _ => NodeMacs.Of(node, this),
        };
        if (macs == 0) nodes.RemoveAt(at);
        else nodes[at] = new NodeCost(node, macs);
        return macs;
    }

    private long Call(Function function)
    {
        if (functionCosts.TryGetValue(function, out long known)) return known;
        if (++callDepth > MaxCallDepth) return 0;
        functionCosts[function] = 0;
        long macs = Count(function.Body);
        callDepth--;
        return functionCosts[function] = macs;
    }

    private long Rounds(Node loop)
    {
        if (loop.Input(0) is { } trips && trips.TryGetConstant(out var constant) && constant is { DataType: DataType.Int64, ElementCount: 1 })
            return Math.Max(0, constant.AsSpan<long>()[0]);
        Note($"{loop} counted once: its number of rounds is not known");
        return 1;
    }

    private long Steps(Node scan)
    {
        // A scan input's leading axis is the sequence unless an axis is stated; opset 8 has the batch before it.
        int scanned = (int)scan.GetInt("num_scan_inputs", 1);
        int first = scan.Inputs.Count - scanned;
        long axis = scan.GetInts("scan_input_axes")?[0] ?? 0;
        return first >= 0 && SizesOf(scan.Input(first)) is { Length: > 0 } sizes && axis >= -sizes.Length && axis < sizes.Length
            ? sizes[axis < 0 ? axis + sizes.Length : axis]
            : 1;
    }

    private void Note(string note)
    {
        if (!notes.Contains(note)) notes.Add(note);
    }

    /// <summary>a + b of numbers from 0 on; the largest number instead of overflowing.</summary>
    internal static long Add(long a, long b) => a + b < 0 ? long.MaxValue : a + b;

    /// <summary>a · b of numbers from 0 on; the largest number instead of overflowing.</summary>
    internal static long Multiply(long a, long b) => Math.BigMul(a, b, out long low) != 0 || low < 0 ? long.MaxValue : low;
}
