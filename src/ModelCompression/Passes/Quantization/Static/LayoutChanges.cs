using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Counts the elements that ONNX Runtime rearranges because of convolutions.</summary>
/// <remarks>
/// Its float convolutions work on blocks of channels, its integer ones with channels last. Between two of a kind nothing is rearranged when only operators lie there that take any order; otherwise
/// elements go from one order into the standard one and on to the other.
/// </remarks>
internal sealed class LayoutChanges
{
    // Nanoseconds per element, fitted as those of TimeEstimate are.
    private const double IntoBlocks = 0.11, FromBlocks = 0.21, Transpose = 0.14;

    /// <summary>Operators that ONNX Runtime also runs on blocks of channels.</summary>
    private static readonly HashSet<string> OnBlocks = new(StringComparer.Ordinal) { "Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "MaxPool", "AveragePool", "GlobalAveragePool", "Add", "Concat" };

    /// <summary>Operators that do the same for any order of elements, so that changes of order move past them.</summary>
    private static readonly HashSet<string> AnyOrder = new(StringComparer.Ordinal)
    {
        "Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "Mul", "Add", "Sub", "Div", "Max", "Min", "Sqrt", "Exp", "Pow", "Erf", "MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Resize", "Pad",
    };

    private readonly IReadOnlyList<Node> nodes;
    private readonly ActivationRanges ranges;
    private readonly Dictionary<Value, Order> orders = new(ReferenceEqualityComparer.Instance);
    private HashSet<Node> integers = [];

    /// <summary>Counts for a model.</summary>
    public LayoutChanges(Model model, ActivationRanges ranges)
    {
        nodes = model.Graph.Nodes;
        this.ranges = ranges;
    }

    [Flags]
    private enum Order
    {
        None = 0,
        Blocks = 1,
        FromFloat = 2,
        FromInteger = 4,
    }

    /// <summary>Nanoseconds with these nodes in integers.</summary>
    public double Nanoseconds(IEnumerable<Node> integerNodes)
    {
        integers = new(integerNodes, ReferenceEqualityComparer.Instance);
        orders.Clear();
        foreach (var node in nodes)
            foreach (var output in node.Outputs)
                if (output is not null) orders[output] = OrderOf(node);
        return nodes.Sum(Cost);
    }

    private double Cost(Node node)
    {
        double cost = 0;
        if (node.Is("Conv") && node.Inputs[0] is { Producer: not null } input)
        {
            var order = orders.GetValueOrDefault(input);
            bool isInteger = integers.Contains(node);
            if (!isInteger && !order.HasFlag(Order.Blocks)) cost += IntoBlocks * Elements(input);
            if (order.HasFlag(isInteger ? Order.FromFloat : Order.FromInteger)) cost += Transpose * Elements(input);
        }

        if (node.Outputs.Count > 0 && node.Outputs[0] is { } output && orders[output].HasFlag(Order.Blocks) && (output.IsGraphOutput || output.Uses.Any(u => !TakesBlocks(u.Node)))) cost += FromBlocks * Elements(output);
        return cost;
    }

    private bool TakesBlocks(Node node) => (node.Is("Conv") && !integers.Contains(node)) || (node.Output() is { } output && orders.GetValueOrDefault(output).HasFlag(Order.Blocks));

    private Order OrderOf(Node node)
    {
        if (node.Is("Conv")) return integers.Contains(node) ? Order.FromInteger : Order.Blocks | Order.FromFloat;
        if (!node.IsOnnxDomain || !AnyOrder.Contains(node.OpType)) return Order.None;
        var (all, any) = (Order.Blocks, Order.None);
        bool computes = false;
        foreach (var input in node.Inputs)
        {
            if (input is null || input.TryGetConstant(out _)) continue;
            var order = orders.GetValueOrDefault(input);
            computes = true;
            all &= order;
            any |= order;
        }

        bool blocks = computes && all.HasFlag(Order.Blocks) && OnBlocks.Contains(node.OpType) && !integers.Contains(node);
        return (any & ~Order.Blocks) | (blocks ? Order.Blocks : Order.None);
    }

    /// <summary>Elements of a value; those of a convolution behind which others have not been counted.</summary>
    private double Elements(Value value)
    {
        double count = ranges.ElementCount(value);
        for (var at = value; count == 0 && at.Producer is { } producer && producer.Input(0) is { } before && AnyOrder.Contains(producer.OpType); at = before) count = ranges.ElementCount(before);
        return count;
    }
}
