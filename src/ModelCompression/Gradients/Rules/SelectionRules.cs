using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients.Rules;

/// <summary>Operators that pick or place elements: ∂y goes back to where each element came from.</summary>
internal static class SelectionRules
{
    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules)
    {
        ArithmeticRules.Unary(rules, "Slice", Slice);
        ArithmeticRules.Unary(rules, "Pad", Pad);
        ArithmeticRules.Unary(rules, "Gather", Gather);
        ArithmeticRules.Unary(rules, "GatherElements", GatherElements);
        ArithmeticRules.Unary(rules, "GatherND", GatherND);
        ArithmeticRules.Unary(rules, "CumSum", CumSum);
        ArithmeticRules.Unary(rules, "Trilu", (n, dy) => n.Emit.Op("Trilu", [dy, n.Node.Input(1)], NodeAttribute.Of("upper", n.Attributes.Int("upper", 1))));
        ArithmeticRules.Unary(rules, "ReverseSequence", ReverseSequence);
        rules["Where"] = Where;
    }

    private static void Where(NodeGradient n)
    {
        long[] y = n.Dims(n.Y());
        var chosen = n.Emit.Mask(n.X(0));
        n.GiveIfNeeded(1, () => n.Emit.SumTo(n.Emit.Mul(n.DY, chosen), y, n.Dims(n.X(1))));
        n.GiveIfNeeded(2, () => n.Emit.SumTo(n.Emit.Mul(n.DY, n.Emit.OneMinus(chosen)), y, n.Dims(n.X(2))));
    }

    private static Value Slice(NodeGradient n, Value dy)
    {
        long[] x = n.Dims(n.X());
        bool byInput = n.Emit.Opset >= 10;
        long[] starts = (byInput ? n.Ints(1) : n.Attributes.Ints("starts")?.ToArray()) ?? throw n.Refuse("starts are missing");
        long[] axes = (byInput ? n.Ints(3) : n.Attributes.Ints("axes")?.ToArray()) ?? [.. starts.Select((_, i) => (long)i)];
        long[] steps = (byInput ? n.Ints(4) : null) ?? [.. starts.Select(_ => 1L)];
        long[] sizes = n.Dims(n.Y());
        for (int i = 0; i < axes.Length; i++)
        {
            int axis = (int)(axes[i] < 0 ? axes[i] + x.Length : axes[i]);
            long start = starts[i] < 0 ? starts[i] + x[axis] : starts[i];
            start = steps[i] > 0 ? Math.Clamp(start, 0, x[axis]) : Math.Clamp(start, 0, x[axis] - 1);
            dy = Place(n.Emit, dy, sizes, axis, start, steps[i], x[axis]);
            sizes[axis] = x[axis];
        }

        return dy;
    }

    /// <summary>Puts the elements along an axis to start, start + step, … of <paramref name="length"/>, zeros elsewhere.</summary>
    private static Value Place(GradientEmitter emit, Value g, long[] sizes, int axis, long start, long step, long length)
    {
        long count = sizes[axis];
        if (step < 0)
        {
            g = emit.Slice(g, [-1], [long.MinValue], [axis], [-1]);
            start += (count - 1) * step;
            step = -step;
        }

        var none = new long[sizes.Length];
        if (step > 1)
        {
            // [count] -> [count, 1] -> [count, step] -> [count·step]
            long[] split = [.. sizes[..axis], count, 1, .. sizes[(axis + 1)..]];
            var ends = new long[split.Length];
            ends[axis + 1] = step - 1;
            g = emit.Reshape(emit.Pad(emit.Reshape(g, split), new long[split.Length], ends), [.. sizes[..axis], count * step, .. sizes[(axis + 1)..]]);
        }

        var before = (long[])none.Clone();
        var after = (long[])none.Clone();
        before[axis] = start;
        after[axis] = length - start - (count * step);
        return emit.Pad(g, before, after);
    }

    private static Value Pad(NodeGradient n, Value dy)
    {
        string mode = n.Attributes.Text("mode", "constant");
        long[] x = n.Dims(n.X());
        long[] stated = (n.Emit.Opset >= 11 ? n.Ints(1) : n.Attributes.Ints("pads")?.ToArray()) ?? throw n.Refuse("pads are missing");
        long[] pads = stated;
        if (n.Emit.Opset >= 18 && n.Ints(3) is { } axes)
        {
            pads = new long[2 * x.Length];
            for (int i = 0; i < axes.Length; i++)
            {
                int axis = (int)(axes[i] < 0 ? axes[i] + x.Length : axes[i]);
                (pads[axis], pads[axis + x.Length]) = (stated[i], stated[i + axes.Length]);
            }
        }

        if (mode == "constant") return n.Emit.Pad(dy, [.. pads[..x.Length].Select(p => -p)], [.. pads[x.Length..].Select(p => -p)]);
        long[] sizes = n.Dims(n.Y());
        for (int axis = 0; axis < x.Length; axis++)
        {
            if (pads[axis] == 0 && pads[axis + x.Length] == 0) continue;
            dy = AlongAxis(n.Emit, dy, sizes, axis, Copies(n, mode, x[axis], sizes[axis], pads[axis]));
            sizes[axis] = x[axis];
        }

        return dy;
    }

    /// <summary>Matrix [output, input] with a one where an output element is a copy of an input element.</summary>
    private static Tensor Copies(NodeGradient n, string mode, long input, long output, long before)
    {
        var matrix = new float[output * input];
        for (long i = 0; i < output; i++)
        {
            long at = i - before, period = Math.Max(1, 2 * (input - 1));
            long source = mode switch
            {
                "edge" => Math.Clamp(at, 0, input - 1),
                "wrap" => ((at % input) + input) % input,
                "reflect" => ((at % period) + period) % period is var p && p < input ? p : period - p,
                _ => throw n.Refuse($"mode '{mode}' has no rule"),
            };
            matrix[(i * input) + source] = 1;
        }

        return Tensor.Float([output, input], matrix);
    }

    /// <summary>Multiplies a gradient along one axis by the transpose of the linear map [output, input] that the operator is there.</summary>
    internal static Value AlongAxis(GradientEmitter emit, Value g, long[] sizes, int axis, Tensor map) => AlongAxis(emit, g, sizes, axis, emit.Constant(map));

    /// <inheritdoc cref="AlongAxis(GradientEmitter, Value, long[], int, Tensor)"/>
    internal static Value AlongAxis(GradientEmitter emit, Value g, long[] sizes, int axis, Value map)
    {
        int[] perm = [.. Enumerable.Range(0, sizes.Length)];
        (perm[axis], perm[^1]) = (perm[^1], perm[axis]);
        return emit.Transpose(emit.MatMul(emit.Transpose(g, perm), map), perm);
    }

    private static Value Gather(NodeGradient n, Value dy)
    {
        var emit = n.Emit;
        long[] x = n.Dims(n.X(0)), indices = n.Dims(n.X(1));
        int axis = n.Axis("axis", 0, x.Length);
        long picked = indices.Aggregate(1L, (a, b) => a * b), before = x[..axis].Aggregate(1L, (a, b) => a * b), after = x[(axis + 1)..].Aggregate(1L, (a, b) => a * b);
        // [before, picked, after] -> rows of what was picked
        var rows = emit.Reshape(emit.Transpose(emit.Reshape(dy, before, picked, after), 1, 0, 2), picked, before * after);
        var list = emit.Reshape(n.X(1), picked, 1);
        Value sums;
        if (emit.Opset >= 16)
        {
            var wide = emit.Op("Cast", [list], NodeAttribute.Of("to", (long)DataType.Int64));
            var zeros = emit.Zeros(x[axis], before * after);
            sums = emit.Op("ScatterND", [zeros, wide, rows], NodeAttribute.Of("reduction", "add"));
        }
        else
        {
            if (emit.Opset < 9) throw n.Refuse("operator sets below 9 have no OneHot");
            // One-hot rows [picked, size], transposed: equal indices add up.
            var oneHot = emit.Op("OneHot", [emit.Reshape(n.X(1), picked), emit.Ints(x[axis]), emit.Constant(Tensor.Float([2], 0, 1))]);
            sums = emit.MatMul(emit.Transpose(oneHot, 1, 0), rows);
        }

        return emit.Reshape(emit.Transpose(emit.Reshape(sums, x[axis], before, after), 1, 0, 2), x);
    }

    private static Value GatherElements(NodeGradient n, Value dy)
    {
        long[] x = n.Dims(n.X());
        return n.Emit.Op("ScatterElements", [n.Emit.Zeros(x), n.X(1), dy], NodeAttribute.Of("axis", (long)n.Axis("axis", 0, x.Length)), Adding(n));
    }

    private static Value GatherND(NodeGradient n, Value dy)
    {
        if (n.Attributes.Int("batch_dims", 0) != 0) throw n.Refuse("it has batch_dims");
        return n.Emit.Op("ScatterND", [n.Emit.Zeros(n.Dims(n.X())), n.X(1), dy], Adding(n));
    }

    private static NodeAttribute Adding(NodeGradient n) =>
        n.Emit.Opset >= 16 ? NodeAttribute.Of("reduction", "add") : throw n.Refuse("operator sets below 16 cannot add up what goes back to one element");

    /// <summary>An element is part of all sums behind it, so ∂y is summed from the other end.</summary>
    private static Value CumSum(NodeGradient n, Value dy) => n.Emit.Op(
        "CumSum", [dy, n.X(1)], NodeAttribute.Of("exclusive", n.Attributes.Int("exclusive", 0)), NodeAttribute.Of("reverse", n.Attributes.Int("reverse", 0) == 0 ? 1L : 0));

    /// <summary>Reversing twice changes nothing.</summary>
    private static Value ReverseSequence(NodeGradient n, Value dy) => n.Emit.Op(
        "ReverseSequence", [dy, n.X(1)], NodeAttribute.Of("batch_axis", n.Attributes.Int("batch_axis", 1)), NodeAttribute.Of("time_axis", n.Attributes.Int("time_axis", 0)));
}
