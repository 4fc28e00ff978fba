using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Channels.Rules;

/// <summary>LSTM, GRU and RNN: a hidden unit has a row per gate in W, R and B and a column in R.</summary>
internal static class RecurrentRules
{
    private const string GatesStay = "gates of a recurrent cell stay";

    public static void Recurrent(Node node, ChannelTracer tracer)
    {
        int gates = node.OpType switch { "LSTM" => 4, "GRU" => 3, _ => 1 };
        var (x, w, r) = (node.Inputs[0]!, node.Inputs[1]!, node.Inputs[2]!);
        long hidden = tracer.ShapeOf(r)![-1].Size ?? 0;
        if (hidden < 2 || node.GetInt("layout", 0) != 0 || tracer.ShapeOf(w)![1].Size != gates * hidden || tracer.ShapeOf(r)![1].Size != gates * hidden)
        {
            tracer.PinNode(node, $"the hidden size of {node.OpType} {node.DisplayName} is not known");
            return;
        }

        var unit = tracer.Factor(r, 2);
        tracer.Tie(w, 2, x, 2);
        AddGates(tracer, w, gates, unit);
        AddGates(tracer, r, gates, unit);
        if (node.Input(3) is { } bias) AddGates(tracer, bias, 2 * gates, unit);
        if (node.Input(7) is { } peepholes) AddGates(tracer, peepholes, 3, unit);
        foreach (var state in new[] { node.Input(5), node.Input(6), node.Output(0), node.Output(1), node.Output(2) })
        {
            if (state is null) continue;
            tracer.Tie(state, -1, r, 2);
            tracer.Tie(state, -2, x, 1);
            tracer.Tie(state, -3, r, 0);
        }

        if (node.Output(0) is { } y) tracer.Tie(y, 0, x, 0);
        tracer.Pin(x, 0, $"{node.OpType} {node.DisplayName} runs along it");
        foreach (var weight in new[] { w, r, node.Input(3), node.Input(7) })
            if (weight is not null) tracer.Pin(weight, 0, "directions of a recurrent cell stay");
    }

    private static void AddGates(ChannelTracer tracer, Value weight, int gates, AxisFactor unit)
    {
        if (gates == 1) tracer.TieRange(tracer.Start(weight, 1), unit.Start, unit.Size);
        else tracer.AddProduct(weight, 1, tracer.NewPinnedFactor(gates, GatesStay), unit);
    }
}
