using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary><c>Loop</c>, <c>Scan</c> and <c>SequenceMap</c>: bodies that run several times.</summary>
internal static class LoopRules
{
    /// <summary>A carried value's type settles in two rounds: first the initial type, then what all iterations agree on.</summary>
    private const int MaxRounds = 4;

    public static void Register(RuleTable table)
    {
        table.Add("Loop", Loop);
        table.Add("Scan", n => Scan(n, 1), until: 8);
        table.Add("Scan", n => Scan(n, 0), since: 9);
        table.Add("SequenceMap", MapSequence);
    }

    /// <summary>Inputs: trip count, condition, carried…; body: iteration, condition, carried… → condition, carried…, stacked….</summary>
    private static void Loop(NodeInference n)
    {
        var body = n.Attributes.Graph("body") ?? throw n.Refuse("body is missing");
        int carried = n.Node.Inputs.Count - 2;
        if (carried < 0 || body.Inputs.Count != carried + 2 || body.Outputs.Count < carried + 1) throw n.Refuse("the body does not fit the node");
        n.State.SetInput(body.Inputs[0], new TensorType(DataType.Int64, Shape.Of()));
        n.State.SetInput(body.Inputs[1], new TensorType(DataType.Bool, Shape.Of()));
        int outerAtoms = n.Symbols.AtomCount;
        var types = Enumerable.Range(2, carried).Select(n.TypeOf).ToArray();
        Settle(n, body, firstInput: 2, firstOutput: 1, types);
        for (int i = 0; i < carried; i++) n.Set(i, Outside(n, i, types[i], outerAtoms));
        var trips = n.ContentOf(0)?.Elements.FirstOrDefault().Integer is { } count && !CanStop(n, body) ? count : default;
        for (int i = carried; i < n.Node.Outputs.Count && i + 1 < body.Outputs.Count; i++)
        {
            if (n.State.TypeOf(body.Outputs[i + 1]) is TensorType part)
                n.Set(i, part.ElementType, part.Shape is { } shape ? new Shape([trips, .. Outer(n, shape, outerAtoms)]) : null);
        }
    }

    /// <summary>False if the body's condition is constantly true, so that only the trip count ends the loop.</summary>
    private static bool CanStop(NodeInference n, OnnxGraph body)
    {
        var condition = body.Outputs[0];
        bool isPassed = condition == body.Inputs[1] || (condition.Producer is { } producer && producer.Is("Identity") && producer.Input(0) == body.Inputs[1]);
        bool startsTrue = !n.HasInput(1) || n.ContentOf(1)?.Elements.FirstOrDefault().Integer.Size == 1;
        return !startsTrue || !(isPassed || n.State.ContentOf(condition)?.Elements.FirstOrDefault().Integer.Size == 1);
    }

    /// <summary>Opset 8 has a leading sequence-length input and a batch axis on everything.</summary>
    private static void Scan(NodeInference n, int batchAxes)
    {
        var body = n.Attributes.Graph("body") ?? throw n.Refuse("body is missing");
        int first = batchAxes;
        int scanned = (int)n.Attributes.Int("num_scan_inputs", 0);
        int states = n.Node.Inputs.Count - first - scanned;
        if (scanned < 1 || states < 0 || body.Inputs.Count != states + scanned || body.Outputs.Count < states) throw n.Refuse("the body does not fit the node");
        var axes = n.Attributes.Ints("scan_input_axes");
        Dimension batch = default, steps = default;
        for (int i = 0; i < scanned; i++)
        {
            var x = n.RequireShape(first + states + i, 1 + batchAxes);
            if (batchAxes > 0) batch = x[0];
            int axis = axes is not null && i < axes.Count ? n.Normalize(axes[i], x.Rank) : 0;
            axis = batchAxes > 0 ? 1 : axis;
            if (!steps.IsKnown) steps = x[axis];
            n.State.SetInput(body.Inputs[states + i], new TensorType(n.ElementOf(first + states + i), new Shape([.. x.Dimensions.Where((_, at) => at != axis && at >= batchAxes)])));
        }

        int outerAtoms = n.Symbols.AtomCount;
        var types = Enumerable.Range(first, states).Select(i => WithoutBatch(n.TypeOf(i), batchAxes)).ToArray();
        Settle(n, body, firstInput: 0, firstOutput: 0, types);
        var outputAxes = n.Attributes.Ints("scan_output_axes");
        for (int i = 0; i < n.Node.Outputs.Count && i < body.Outputs.Count; i++)
        {
            if (i < states)
            {
                if (Outside(n, i, types[i], outerAtoms) is TensorType state) n.Set(i, state.ElementType, state.Shape is { } s ? new Shape([.. Batch(), .. s.Dimensions]) : null);
            }
            else if (n.State.TypeOf(body.Outputs[i]) is TensorType part)
            {
                n.Set(i, part.ElementType, default(Shape));
                if (part.Shape is not { } shape) continue;
                int axis = batchAxes == 0 && outputAxes is not null && i - states < outputAxes.Count ? n.Normalize(outputAxes[i - states], shape.Rank + 1) : 0;
                var inner = Outer(n, shape, outerAtoms).ToList();
                inner.Insert(axis, steps);
                n.Set(i, part.ElementType, new Shape([.. Batch(), .. inner]));
            }
        }

        IEnumerable<Dimension> Batch() => batchAxes > 0 ? [batch] : [];
    }

    private static ValueType? WithoutBatch(ValueType? type, int batchAxes) =>
        type is TensorType { Shape: { } shape } tensor && batchAxes > 0 ? tensor with { Shape = new Shape(shape.Dimensions.Skip(batchAxes)) } : type;

    /// <summary>Body inputs get the members of sequences, or other inputs as they are; outputs are sequences of what the body returns.</summary>
    private static void MapSequence(NodeInference n)
    {
        var body = n.Attributes.Graph("body") ?? throw n.Refuse("body is missing");
        if (body.Inputs.Count != n.Node.Inputs.Count || body.Outputs.Count < n.Node.Outputs.Count) throw n.Refuse("the body does not fit the node");
        for (int i = 0; i < body.Inputs.Count; i++)
        {
            n.State.Forget(body.Inputs[i]);
            n.State.SetInput(body.Inputs[i], n.TypeOf(i) is SequenceType sequence ? sequence.Element : n.TypeOf(i));
        }

        int outerAtoms = n.Symbols.AtomCount;
        n.InferBody(body);
        for (int i = 0; i < n.Node.Outputs.Count; i++)
            n.Set(i, new SequenceType(n.State.TypeOf(body.Outputs[i]) is TensorType { Shape: { } shape } member ? member with { Shape = new Shape(Outer(n, shape, outerAtoms)) } : n.State.TypeOf(body.Outputs[i])));
    }

    /// <summary>Walks the body until the types of carried values hold for every iteration.</summary>
    private static void Settle(NodeInference n, OnnxGraph body, int firstInput, int firstOutput, ValueType?[] types)
    {
        for (int round = 0; round < MaxRounds; round++)
        {
            for (int i = 0; i < types.Length; i++)
            {
                // A body that is walked again must not remember contents of the first iteration.
                n.State.Forget(body.Inputs[firstInput + i]);
                n.State.SetInput(body.Inputs[firstInput + i], types[i]);
            }

            n.InferBody(body);
            bool isSettled = true;
            for (int i = 0; i < types.Length; i++)
            {
                var input = body.Inputs[firstInput + i];
                var merged = TypeLattice.Merge(n.State.TypeOf(input), n.State.TypeOf(body.Outputs[firstOutput + i]), axis => n.State.Fresh(input, axis));
                isSettled &= Equals(merged, n.State.TypeOf(input));
                types[i] = merged;
            }

            if (isSettled) return;
        }

        Array.Clear(types);
    }

    /// <summary>The type of a carried value after the loop: sizes that vary inside become symbols of the output.</summary>
    private static ValueType? Outside(NodeInference n, int output, ValueType? type, int outerAtoms) =>
        type is TensorType { Shape: { } shape } tensor
            ? tensor with { Shape = new Shape([.. Outer(n, shape, outerAtoms).Select((d, axis) => d.IsKnown || d.Symbol is not null ? d : n.Fresh(output, axis))]) }
            : type;

    private static IEnumerable<Dimension> Outer(NodeInference n, Shape shape, int outerAtoms) =>
        shape.Dimensions.Select(d => n.Symbols.IsOlderThan(d, outerAtoms) ? d : default);
}
