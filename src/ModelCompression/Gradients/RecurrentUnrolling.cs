using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients;

/// <summary>Writes LSTM, GRU and RNN nodes out, step by step, in operators that have rules: backpropagation through time (Werbos 1990).</summary>
/// <remarks>
/// Equations of the ONNX operators with default activations. All directions; initial states; no peepholes, no clipping, no sequence lengths, time on axis 0. Anything else is left as it is and
/// refused when the gradient arrives there.
/// </remarks>
internal sealed class RecurrentUnrolling(OnnxGraph graph, GradientEmitter emit, StaticSizes sizes)
{
    /// <summary>Unrolls the recurrent nodes of a graph that can be.</summary>
    public void Run()
    {
        var nodes = graph.Nodes.Where(n => (n.Is("LSTM") || n.Is("GRU") || n.Is("RNN")) && WhyNot(n) is null).ToArray();
        foreach (var node in nodes) Unroll(node);
        if (nodes.Length > 0) graph.TrySortTopologically();
    }

    /// <summary>Why a recurrent node cannot be written out, or null.</summary>
    public static string? WhyNot(Node node)
    {
        string[] usual = node.OpType switch { "LSTM" => ["Sigmoid", "Tanh", "Tanh"], "GRU" => ["Sigmoid", "Tanh"], _ => ["Tanh"] };
        if (node.TryGetAttribute("activations", out var stated) && stated.Strings.Where((s, i) => System.Text.Encoding.UTF8.GetString(s.Span) != usual[i % usual.Length]).Any()) return "it has activations of its own";
        if (node.TryGetAttribute("clip", out _)) return "it clips";
        if (node.GetInt("layout", 0) != 0) return "its layout is 1";
        if (node.GetInt("input_forget", 0) != 0) return "it couples input and forget gates";
        if (node.Input(4) is not null) return "it has sequence lengths";
        return node.Input(7) is not null ? "it has peepholes" : null;
    }

    private void Unroll(Node node)
    {
        long[] x = sizes.Of(node.Inputs[0]!), r = sizes.Of(node.Inputs[2]!);
        var shape = new Sizes(x[0], x[1], x[2], r[2], r[0], r[1] / r[2]);
        string direction = node.GetString("direction", "forward");
        var runs = Enumerable.Range(0, (int)shape.Directions).Select(d => Direction(node, shape, d, direction == "reverse" || d == 1)).ToList();
        Replace(node, 0, () => Join([.. runs.Select(run => Join([.. run.States.Select(h => View(h, 1, 1, shape.Batch, shape.Hidden))], 0))], 1));
        Replace(node, 1, () => Join([.. runs.Select(run => View(run.Last, 1, shape.Batch, shape.Hidden))], 0));
        Replace(node, 2, () => Join([.. runs.Select(run => View(run.Cell!, 1, shape.Batch, shape.Hidden))], 0));
        graph.RemoveNode(node);
    }

    private void Replace(Node node, int output, Func<Value> make)
    {
        if (node.Output(output) is not { } old || old.IsUnused) return;
        long[] dims = sizes.Of(old);
        var made = Sized(emit.Op("Identity", [make()]), dims);
        old.ReplaceAllUsesWith(made);
        // A main graph's output keeps its name, so the two values may have exchanged theirs.
        sizes.Set(made, dims);
    }

    /// <summary>States in order of time, the state after the last step, and the cell of an LSTM.</summary>
    private sealed record DirectionRun(Value[] States, Value Last, Value? Cell);

    private DirectionRun Direction(Node node, Sizes s, int d, bool reversed)
    {
        var w = Part(node.Inputs[1]!, d, s.Gates * s.Hidden, s.Input);
        var r = Part(node.Inputs[2]!, d, s.Gates * s.Hidden, s.Hidden);
        var bias = node.Input(3) is { } b ? SplitColumns(View(Part(b, d, 2 * s.Gates * s.Hidden), 1, 2 * s.Gates * s.Hidden), 2) : null;
        var rows = View(node.Inputs[0]!, s.Steps * s.Batch, s.Input);
        var inputs = Product(rows, w);
        if (bias is not null) inputs = Plus(inputs, bias[0]);
        var perStep = Sized(emit.Reshape(inputs, s.Steps, s.Batch, s.Gates * s.Hidden), s.Steps, s.Batch, s.Gates * s.Hidden);
        var cell = new RecurrentCell(this, node, Sized(emit.Transpose(r, 1, 0), s.Hidden, s.Gates * s.Hidden), bias?[1]);
        var h = Initial(node, 5, d, s);
        Value? c = node.Is("LSTM") ? Initial(node, 6, d, s) : null;
        var states = new Value[s.Steps];
        for (int i = 0; i < s.Steps; i++)
        {
            int t = reversed ? (int)s.Steps - 1 - i : i;
            var xt = View(Sized(emit.Slice(perStep, [t], [t + 1], [0]), 1, s.Batch, s.Gates * s.Hidden), s.Batch, s.Gates * s.Hidden);
            (h, c) = cell.Step(xt, h, c);
            states[t] = h;
        }

        return new(states, h, c);
    }

    private Value Initial(Node node, int index, int d, Sizes s) => node.Input(index) is { } given
        ? Part(given, d, s.Batch, s.Hidden)
        : Sized(emit.Zeros(s.Batch, s.Hidden), s.Batch, s.Hidden);

    /// <summary>Entry <paramref name="d"/> of axis 0, without that axis.</summary>
    private Value Part(Value value, int d, params long[] dims)
    {
        if (sizes.Of(value)[0] == 1) return View(value, dims);
        return View(Sized(emit.Slice(value, [d], [d + 1], [0]), [1, .. dims]), dims);
    }

    internal Value View(Value value, params long[] dims) => Sized(emit.Reshape(value, dims), dims);

    /// <summary>a · bᵀ for matrices.</summary>
    internal Value Product(Value a, Value b) => Times(a, Sized(emit.Transpose(b, 1, 0), sizes.Of(b)[1], sizes.Of(b)[0]));

    /// <summary>a · b for matrices.</summary>
    internal Value Times(Value a, Value b) => Sized(emit.MatMul(a, b), sizes.Of(a)[0], sizes.Of(b)[1]);

    internal Value Plus(Value a, Value b) => Sized(emit.Add(a, b), sizes.Of(a));

    internal Value Scaled(Value a, Value b) => Sized(emit.Mul(a, b), sizes.Of(a));

    internal Value Apply(string opType, Value a) => Sized(emit.Op(opType, [a]), sizes.Of(a));

    internal Value OneMinus(Value a) => Sized(emit.OneMinus(a), sizes.Of(a));

    /// <summary>Cuts columns into equal parts.</summary>
    internal Value[] SplitColumns(Value a, int parts)
    {
        long[] dims = sizes.Of(a);
        if (parts == 1) return [a];
        long width = dims[1] / parts;
        return [.. emit.Split(a, 1, [.. Enumerable.Repeat(width, parts)]).Select(v => Sized(v, dims[0], width))];
    }

    private Value Join(IReadOnlyList<Value> parts, int axis)
    {
        long[] dims = [.. sizes.Of(parts[0])];
        dims[axis] *= parts.Count;
        return Sized(emit.Concat(parts, axis), dims);
    }

    private Value Sized(Value value, params long[] dims)
    {
        sizes.Set(value, dims);
        return value;
    }

    /// <summary>Sizes of a recurrent node.</summary>
    internal readonly record struct Sizes(long Steps, long Batch, long Input, long Hidden, long Directions, long Gates);
}
