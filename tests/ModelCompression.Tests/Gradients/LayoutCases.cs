using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Gradients;

/// <summary>Operators that move, pick or repeat elements.</summary>
internal static class LayoutCases
{
    public static void AddTo(Dictionary<string, (long, Func<OperatorCase, Value>)> cases)
    {
        cases["Reshape"] = (13, c => c.Op("Reshape", [c.Weight(2, 3, 4), c.Ints(0, -1)]));
        cases["Flatten"] = (13, c => c.Op("Flatten", [c.Weight(2, 3, 4)], NodeAttribute.Of("axis", 2)));
        cases["Squeeze"] = (13, c => c.Op("Squeeze", [c.Weight(2, 1, 3), c.Ints(1)]));
        cases["Unsqueeze attribute"] = (11, c => c.Op("Unsqueeze", [c.Weight(2, 3)], NodeAttribute.Of("axes", 0, 3)));
        cases["Identity"] = (13, c => c.Op("Identity", [c.Weight(2, 3)]));
        cases["Transpose"] = (13, c => c.Op("Transpose", [c.Weight(2, 3, 4)], NodeAttribute.Of("perm", 2, 0, 1)));
        cases["Transpose reversed"] = (13, c => c.Op("Transpose", [c.Weight(2, 3, 4)]));
        cases["Expand"] = (13, c => c.Op("Expand", [c.Weight(3, 1), c.Ints(2, 1, 4)]));
        cases["Tile"] = (13, c => c.Op("Tile", [c.Weight(2, 3), c.Ints(3, 2)]));
        cases["DepthToSpace"] = (13, c => c.Op("DepthToSpace", [c.Weight(1, 8, 2, 3)], NodeAttribute.Of("blocksize", 2)));
        cases["DepthToSpace CRD"] = (13, c => c.Op("DepthToSpace", [c.Weight(1, 8, 2, 3)], NodeAttribute.Of("blocksize", 2), NodeAttribute.Of("mode", "CRD")));
        cases["SpaceToDepth"] = (13, c => c.Op("SpaceToDepth", [c.Weight(1, 2, 4, 6)], NodeAttribute.Of("blocksize", 2)));
        cases["Dropout"] = (13, c => c.Op("Dropout", [c.Weight(2, 3)]));
        cases["Cast"] = (13, c => c.Op("Cast", [c.Weight(2, 3)], NodeAttribute.Of("to", 1)));
        cases["Concat"] = (13, c => c.Op("Concat", [c.Weight(2, 3), c.Weight(2, 1), c.Weight(2, 2)], NodeAttribute.Of("axis", -1)));
        cases["Concat opset 9"] = (9, c => c.Op("Concat", [c.Weight(2, 3), c.Weight(1, 3)], NodeAttribute.Of("axis", 0)));
        cases["Split input"] = (13, c => Sum(c, c.Ops("Split", [c.Weight(2, 5), c.Ints(2, 3)], 2, NodeAttribute.Of("axis", 1)), second: true));
        cases["Split attribute, one part unused"] = (11, c => Sum(c, c.Ops("Split", [c.Weight(2, 5)], 2, NodeAttribute.Of("axis", 1), NodeAttribute.Of("split", 2, 3)), second: false));
        cases["Slice"] = (13, c => c.Op("Slice", [c.Weight(5, 4), c.Ints(1, 0), c.Ints(4, -1), c.Ints(0, 1)]));
        cases["Slice stepped"] = (13, c => c.Op("Slice", [c.Weight(7, 5), c.Ints(1, 0), c.Ints(7, 9), c.Ints(0, 1), c.Ints(2, 3)]));
        cases["Slice backwards"] = (13, c => c.Op("Slice", [c.Weight(7, 3), c.Ints(-2), c.Ints(0), c.Ints(0), c.Ints(-2)]));
        cases["Slice attribute"] = (9, c => c.Op("Slice", [c.Weight(5, 4)], NodeAttribute.Of("starts", 1, -3), NodeAttribute.Of("ends", 4, 4)));
        cases["Pad"] = (13, c => c.Op("Pad", [c.Weight(2, 3), c.Ints(0, 2, 1, -1), c.Constant(Tensor.Float([], 0.5f))]));
        cases["Pad axes"] = (18, c => c.Op("Pad", [c.Weight(2, 3), c.Ints(2, 1), null, c.Ints(-1)]));
        cases["Pad attribute"] = (9, c => c.Op("Pad", [c.Weight(2, 3)], NodeAttribute.Of("pads", 1, 0, 0, 2)));
        foreach (string mode in new[] { "reflect", "edge" })
            cases["Pad " + mode] = (13, c => c.Op("Pad", [c.Weight(1, 4, 3), c.Ints(0, 2, 1, 0, 3, 2)], NodeAttribute.Of("mode", mode)));
        cases["Pad wrap"] = (19, c => c.Op("Pad", [c.Weight(1, 4, 3), c.Ints(0, 2, 1, 0, 3, 2)], NodeAttribute.Of("mode", "wrap")));
        foreach (long opset in new[] { 11L, 16 })
        {
            cases[$"Gather rows, opset {opset}"] = (opset, c => c.Op("Gather", [c.Weight(4, 3), c.Constant(Tensor.Int64([2, 2], 3, 0, 3, -2))]));
            cases[$"Gather inner, opset {opset}"] = (opset, c => c.Op("Gather", [c.Weight(2, 4, 3), c.Constant(Tensor.Int64([], 1))], NodeAttribute.Of("axis", 1)));
        }

        AddResizing(cases);
        AddRecurrent(cases);
        cases["Where"] = (13, c => c.Op("Where", [c.Constant(Tensor.Create(DataType.Bool, [2, 3], new byte[] { 1, 0, 0, 1, 1, 0 })), c.Weight(2, 3), c.Weight(3)]));
    }

    private static void AddResizing(Dictionary<string, (long, Func<OperatorCase, Value>)> cases)
    {
        foreach (string coordinates in new[] { "half_pixel", "align_corners", "asymmetric" })
        {
            cases["Resize linear " + coordinates] = (13, c => c.Op("Resize", [c.Weight(1, 2, 3, 4), null, null, c.Ints(1, 2, 5, 6)], NodeAttribute.Of("mode", "linear"), NodeAttribute.Of("coordinate_transformation_mode", coordinates)));
            cases["Resize nearest " + coordinates] = (11, c => c.Op("Resize", [c.Weight(2, 1, 3, 4), c.Constant(Tensor.Float([0])), c.Constant(Tensor.Float([4], 1, 1, 2, 1.5f))], NodeAttribute.Of("coordinate_transformation_mode", coordinates)));
        }

        cases["Resize smaller"] = (18, c => c.Op("Resize", [c.Weight(1, 2, 6, 7), null, c.Constant(Tensor.Float([2], 0.5f, 0.6f))], NodeAttribute.Of("mode", "linear"), NodeAttribute.Of("axes", 2, 3)));
        cases["Resize cubic"] = (13, c => c.Op("Resize", [c.Weight(1, 1, 4, 5), null, c.Constant(Tensor.Float([4], 1, 1, 2, 2))], NodeAttribute.Of("mode", "cubic")));
        cases["Resize opset 10"] = (10, c => c.Op("Resize", [c.Weight(1, 2, 3, 4), c.Constant(Tensor.Float([4], 1, 1, 2, 3))]));
        cases["Upsample"] = (9, c => c.Op("Upsample", [c.Weight(1, 2, 3, 4), c.Constant(Tensor.Float([4], 1, 1, 2, 3))], NodeAttribute.Of("mode", "linear")));
        cases["Upsample attribute"] = (7, c => c.Op("Upsample", [c.Weight(1, 2, 3, 4)], NodeAttribute.Of("scales", 1f, 1f, 2f, 2f)));
    }

    private static void AddRecurrent(Dictionary<string, (long, Func<OperatorCase, Value>)> cases)
    {
        foreach (string direction in new[] { "forward", "reverse", "bidirectional" })
        {
            cases["LSTM " + direction] = (13, c => Recurrent(c, "LSTM", 4, direction, output: 0));
            cases["GRU " + direction] = (11, c => Recurrent(c, "GRU", 3, direction, output: 0));
            cases["RNN " + direction] = (13, c => Recurrent(c, "RNN", 1, direction, output: 0));
        }

        cases["LSTM last state"] = (13, c => Recurrent(c, "LSTM", 4, "bidirectional", output: 1));
        cases["LSTM cell"] = (13, c => Recurrent(c, "LSTM", 4, "forward", output: 2));
        cases["GRU reset after"] = (13, c => Recurrent(c, "GRU", 3, "bidirectional", output: 1, NodeAttribute.Of("linear_before_reset", 1)));
    }

    private static Value Recurrent(OperatorCase c, string op, long gates, string direction, int output, params NodeAttribute[] attributes)
    {
        const long steps = 3, batch = 2, input = 3, hidden = 2;
        long directions = direction == "bidirectional" ? 2 : 1;
        Value?[] inputs =
        [
            c.Weight(steps, batch, input), c.Weight(directions, gates * hidden, input), c.Weight(directions, gates * hidden, hidden), c.Weight(directions, 2 * gates * hidden), null,
            c.Weight(directions, batch, hidden), .. op == "LSTM" ? [c.Weight(directions, batch, hidden)] : Array.Empty<Value>(),
        ];
        return c.Ops(op, inputs, op == "LSTM" ? 3 : 2, [NodeAttribute.Of("hidden_size", hidden), NodeAttribute.Of("direction", direction), .. attributes])[output];
    }

    private static Value Sum(OperatorCase c, IReadOnlyList<Value> parts, bool second)
    {
        var left = c.Op("Mul", [parts[0], parts[0]]);
        return second ? c.Op("Add", [left, c.Op("ReduceSum", [parts[1], c.Ints(1)])]) : left;
    }
}
