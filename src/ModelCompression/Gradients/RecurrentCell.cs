using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients;

/// <summary>One step of a recurrent operator. Gates lie side by side: LSTM input, output, forget, cell; GRU update, reset, hidden.</summary>
/// <param name="u">Emits sized values.</param>
/// <param name="node">The operator.</param>
/// <param name="recurrence">Rᵀ [H, gates·H].</param>
/// <param name="bias">Bias of the recurrence [1, gates·H], or null.</param>
internal sealed class RecurrentCell(RecurrentUnrolling u, Node node, Value recurrence, Value? bias)
{
    private readonly bool resetsAfter = node.GetInt("linear_before_reset", 0) != 0;
    private Value[]? gruRecurrence;
    private Value[]? gruBias;

    /// <summary>The next state, and cell of an LSTM.</summary>
    /// <param name="x">W·x + bias of the step, [B, gates·H].</param>
    /// <param name="h">State [B, H].</param>
    /// <param name="c">Cell [B, H] of an LSTM, else null.</param>
    public (Value H, Value? C) Step(Value x, Value h, Value? c) => node.OpType switch
    {
        "LSTM" => Lstm(x, h, c!),
        "GRU" => (resetsAfter ? ResetAfter(x, h) : ResetBefore(x, h), null),
        _ => (u.Apply("Tanh", Sum(x, h)), null),
    };

    private Value Sum(Value x, Value h)
    {
        var sum = u.Plus(x, u.Times(h, recurrence));
        return bias is null ? sum : u.Plus(sum, bias);
    }

    private (Value, Value) Lstm(Value x, Value h, Value c)
    {
        var gates = u.SplitColumns(Sum(x, h), 4);
        var input = u.Scaled(u.Apply("Sigmoid", gates[0]), u.Apply("Tanh", gates[3]));
        var cell = u.Plus(u.Scaled(u.Apply("Sigmoid", gates[2]), c), input);
        return (u.Scaled(u.Apply("Sigmoid", gates[1]), u.Apply("Tanh", cell)), cell);
    }

    /// <summary>h̃ = tanh(Wx + b + r·(Rh + bᵣ)).</summary>
    private Value ResetAfter(Value x, Value h)
    {
        var recurrent = u.Times(h, recurrence);
        var fromState = u.SplitColumns(bias is null ? recurrent : u.Plus(recurrent, bias), 3);
        var fromInput = u.SplitColumns(x, 3);
        var update = u.Apply("Sigmoid", u.Plus(fromInput[0], fromState[0]));
        var reset = u.Apply("Sigmoid", u.Plus(fromInput[1], fromState[1]));
        return Mix(update, u.Apply("Tanh", u.Plus(fromInput[2], u.Scaled(reset, fromState[2]))), h);
    }

    /// <summary>h̃ = tanh(Wx + b + R(r·h) + bᵣ).</summary>
    private Value ResetBefore(Value x, Value h)
    {
        gruRecurrence ??= u.SplitColumns(recurrence, 3);
        gruBias ??= bias is null ? null : u.SplitColumns(bias, 3);
        var fromInput = u.SplitColumns(x, 3);
        var update = u.Apply("Sigmoid", Gate(fromInput, h, 0));
        var reset = u.Apply("Sigmoid", Gate(fromInput, h, 1));
        return Mix(update, u.Apply("Tanh", Gate(fromInput, u.Scaled(reset, h), 2)), h);
    }

    private Value Gate(Value[] fromInput, Value h, int gate)
    {
        var sum = u.Plus(fromInput[gate], u.Times(h, gruRecurrence![gate]));
        return gruBias is null ? sum : u.Plus(sum, gruBias[gate]);
    }

    /// <summary>(1 − z)·h̃ + z·h.</summary>
    private Value Mix(Value update, Value candidate, Value h) => u.Plus(u.Scaled(u.OneMinus(update), candidate), u.Scaled(update, h));
}
