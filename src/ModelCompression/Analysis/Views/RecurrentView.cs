using System.Diagnostics.CodeAnalysis;
using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Views;

/// <summary>In which order a recurrent operator reads the sequence.</summary>
public enum RecurrentDirection
{
    /// <summary>First to last.</summary>
    Forward,

    /// <summary>Last to first.</summary>
    Reverse,

    /// <summary>Both, with separate weights.</summary>
    Bidirectional,
}

/// <summary>
/// What <c>LSTM</c>, <c>GRU</c> and <c>RNN</c> share. X [S, B, I], or [B, S, I] when <see cref="IsBatchFirst"/>; W [D, G·H, I]; R [D, G·H, H];
/// bias [D, 2·G·H]: S steps, B batch, I input, H hidden, D directions, G gates.
/// </summary>
/// <param name="Node">The node.</param>
public abstract record RecurrentView(Node Node)
{
    /// <summary>X.</summary>
    public required Value Input { get; init; }

    /// <summary>W.</summary>
    public required Value Weight { get; init; }

    /// <summary>R.</summary>
    public required Value Recurrence { get; init; }

    /// <summary>Input biases, then recurrence biases; or null.</summary>
    public Value? Bias { get; init; }

    /// <summary>Lengths of the sequences [B], or null.</summary>
    public Value? SequenceLengths { get; init; }

    /// <summary>State before the first step [D, B, H], or null for zeros.</summary>
    public Value? InitialHidden { get; init; }

    /// <summary>H.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Direction.</summary>
    public required RecurrentDirection Direction { get; init; }

    /// <summary>D: 1 or 2.</summary>
    public int DirectionCount => Direction == RecurrentDirection.Bidirectional ? 2 : 1;

    /// <summary>G: 4 (LSTM), 3 (GRU) or 1 (RNN).</summary>
    public abstract int GateCount { get; }

    /// <summary>True for <c>layout=1</c> (opset 14).</summary>
    public required bool IsBatchFirst { get; init; }

    /// <summary>Names of activations that differ from the defaults; empty when they do not.</summary>
    public required IReadOnlyList<string> Activations { get; init; }

    /// <summary>Cell clipping threshold, or null.</summary>
    public float? Clip { get; init; }

    /// <summary>Reads what the three operators share; null when something required is missing.</summary>
    private protected static T? Read<T>(Node node, string opType, Func<NodeAttributes, T> make) where T : RecurrentView
    {
        var attributes = new NodeAttributes(node);
        if (!node.Is(opType) || attributes.HasUnboundReference) return null;
        if (node.Input(0) is null || node.Input(1) is null || node.Input(2) is not { } recurrence) return null;
        return HiddenSizeOf(attributes, recurrence) is not null ? make(attributes) : null;
    }

    private protected static int? HiddenSizeOf(NodeAttributes attributes, Value recurrence) =>
        attributes.Int("hidden_size", 0) is > 0 and < int.MaxValue and var stated ? (int)stated
        : StaticShape.Of(recurrence) is { Length: 3 } dims ? (int)dims[2] : null;

    private protected static RecurrentDirection DirectionOf(NodeAttributes attributes) => attributes.Text("direction", "forward") switch
    {
        "reverse" => RecurrentDirection.Reverse,
        "bidirectional" => RecurrentDirection.Bidirectional,
        _ => RecurrentDirection.Forward,
    };

    private protected static IReadOnlyList<string> ActivationsOf(NodeAttributes attributes, params string[] defaults)
    {
        if (!attributes.TryGet("activations", AttributeType.Strings, out var list)) return [];
        string[] names = [.. list.Strings.Select(s => System.Text.Encoding.UTF8.GetString(s.Span))];
        return names.Where((name, i) => !name.Equals(defaults[i % defaults.Length], StringComparison.OrdinalIgnoreCase)).Any() ? names : [];
    }

    private protected static float? ClipOf(NodeAttributes attributes) => attributes.TryGet("clip", AttributeType.Float, out var clip) ? clip.Float : null;
}

/// <summary>An <c>LSTM</c>; gates in the order i, o, f, c.</summary>
/// <param name="Node">The node.</param>
public sealed record LstmView(Node Node) : RecurrentView(Node)
{
    /// <inheritdoc/>
    public override int GateCount => 4;

    /// <summary>Cell state before the first step [D, B, H], or null for zeros.</summary>
    public Value? InitialCell { get; init; }

    /// <summary>Peephole weights [D, 3·H], or null.</summary>
    public Value? Peephole { get; init; }

    /// <summary>True if the forget gate is 1 − input gate.</summary>
    public bool InputForget { get; init; }

    /// <summary>Sees <paramref name="node"/> as an LSTM.</summary>
    public static bool TryFrom(Node node, [NotNullWhen(true)] out LstmView? view)
    {
        view = Read(node, "LSTM", a => new LstmView(node)
        {
            Input = node.Inputs[0]!,
            Weight = node.Inputs[1]!,
            Recurrence = node.Inputs[2]!,
            Bias = node.Input(3),
            SequenceLengths = node.Input(4),
            InitialHidden = node.Input(5),
            InitialCell = node.Input(6),
            Peephole = node.Input(7),
            HiddenSize = HiddenSizeOf(a, node.Inputs[2]!)!.Value,
            Direction = DirectionOf(a),
            IsBatchFirst = a.Int("layout", 0) != 0,
            Activations = ActivationsOf(a, "Sigmoid", "Tanh", "Tanh"),
            Clip = ClipOf(a),
            InputForget = a.Int("input_forget", 0) != 0,
        });
        return view is not null;
    }
}

/// <summary>A <c>GRU</c>; gates in the order z, r, h.</summary>
/// <param name="Node">The node.</param>
public sealed record GruView(Node Node) : RecurrentView(Node)
{
    /// <inheritdoc/>
    public override int GateCount => 3;

    /// <summary>True if the reset gate is applied after the recurrence product.</summary>
    public bool LinearBeforeReset { get; init; }

    /// <summary>Sees <paramref name="node"/> as a GRU.</summary>
    public static bool TryFrom(Node node, [NotNullWhen(true)] out GruView? view)
    {
        view = Read(node, "GRU", a => new GruView(node)
        {
            Input = node.Inputs[0]!,
            Weight = node.Inputs[1]!,
            Recurrence = node.Inputs[2]!,
            Bias = node.Input(3),
            SequenceLengths = node.Input(4),
            InitialHidden = node.Input(5),
            HiddenSize = HiddenSizeOf(a, node.Inputs[2]!)!.Value,
            Direction = DirectionOf(a),
            IsBatchFirst = a.Int("layout", 0) != 0,
            Activations = ActivationsOf(a, "Sigmoid", "Tanh"),
            Clip = ClipOf(a),
            LinearBeforeReset = a.Int("linear_before_reset", 0) != 0,
        });
        return view is not null;
    }
}

/// <summary>An <c>RNN</c>: one gate.</summary>
/// <param name="Node">The node.</param>
public sealed record RnnView(Node Node) : RecurrentView(Node)
{
    /// <inheritdoc/>
    public override int GateCount => 1;

    /// <summary>Sees <paramref name="node"/> as an RNN.</summary>
    public static bool TryFrom(Node node, [NotNullWhen(true)] out RnnView? view)
    {
        view = Read(node, "RNN", a => new RnnView(node)
        {
            Input = node.Inputs[0]!,
            Weight = node.Inputs[1]!,
            Recurrence = node.Inputs[2]!,
            Bias = node.Input(3),
            SequenceLengths = node.Input(4),
            InitialHidden = node.Input(5),
            HiddenSize = HiddenSizeOf(a, node.Inputs[2]!)!.Value,
            Direction = DirectionOf(a),
            IsBatchFirst = a.Int("layout", 0) != 0,
            Activations = ActivationsOf(a, "Tanh"),
            Clip = ClipOf(a),
        });
        return view is not null;
    }
}
