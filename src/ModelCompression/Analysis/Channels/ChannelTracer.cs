using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Channels;

/// <summary>What rules say about the axes of values: which positions stand or fall together, and which must stay.</summary>
/// <remarks>
/// An axis takes part when its size is a known number greater than one. Any other axis cannot lose positions, so whatever is tied to it must stay.
/// </remarks>
internal sealed class ChannelTracer(ShapeInferenceResult shapes, long opset)
{
    /// <summary>Longer axes cannot lose positions: they are time or table rows, never channels.</summary>
    private const long MaxAxisLength = 1 << 21;

    private readonly Dictionary<(Value Value, int Axis), int> starts = [];
    private readonly List<(Value Value, int Axis, int Size, int Start)> axes = [];
    private readonly List<AxisProduct> products = [];

    /// <summary>Version of the standard operators.</summary>
    public long Opset { get; } = opset;

    /// <summary>The sets of positions.</summary>
    public ChannelLabels Labels { get; } = new();

    /// <summary>Axes that rules have spoken of, in that order.</summary>
    public IReadOnlyList<(Value Value, int Axis, int Size, int Start)> Axes => axes;

    /// <summary>Axes whose positions are combinations of several factors' positions.</summary>
    public IReadOnlyList<AxisProduct> Products => products;

    /// <summary>Values from where normalization statistics run over an axis whose positions may be removed.</summary>
    public HashSet<(Value Value, int Axis)> Normalized { get; } = [];

    /// <summary>Shape of a value, or null when not even its rank is known.</summary>
    public Shape? ShapeOf(Value value) => value.TryGetConstant(out var constant) ? Shape.Of(constant.Dims) : shapes.ShapeOf(value);

    /// <summary>Rank of a value, or -1.</summary>
    public int RankOf(Value value) => ShapeOf(value)?.Rank ?? -1;

    /// <summary>Size of an axis if it takes part, otherwise 0. Negative axes count from the end.</summary>
    public int SizeOf(Value value, int axis) =>
        ShapeOf(value)?[axis].Size is > 1 and <= MaxAxisLength and { } size && !(value.SparseInitializer is not null) ? (int)size : 0;

    /// <summary>First position of an axis that takes part.</summary>
    public int Start(Value value, int axis)
    {
        int rank = RankOf(value);
        if (axis < 0) axis += rank;
        if (starts.TryGetValue((value, axis), out int start)) return start;
        int size = SizeOf(value, axis);
        if (size == 0) throw new InvalidOperationException($"Axis {axis} of '{value.Name}' takes no part.");
        starts.Add((value, axis), start = Labels.Add(size));
        axes.Add((value, axis, size, start));
        return start;
    }

    /// <summary>Ties two axes position by position.</summary>
    public void Tie(Value a, int axisOfA, Value b, int axisOfB)
    {
        int size = SizeOf(a, axisOfA);
        int other = SizeOf(b, axisOfB);
        if (size != 0 && size == other) TieRange(Start(a, axisOfA), Start(b, axisOfB), size);
        else if (size != 0 || other != 0)
        {
            string reason = $"a size of '{(size == 0 ? a : b).Name}' that must agree with it is not known";
            Pin(a, axisOfA, reason);
            Pin(b, axisOfB, reason);
        }
    }

    /// <summary>Ties positions one by one.</summary>
    public void TieRange(int a, int b, int count)
    {
        for (int i = 0; i < count; i++) Labels.Union(a + i, b + i);
    }

    /// <summary>Ties two positions of axes that take part.</summary>
    public void TieAt(Value a, int axisOfA, int positionInA, Value b, int axisOfB, int positionInB) =>
        Labels.Union(Start(a, axisOfA) + positionInA, Start(b, axisOfB) + positionInB);

    /// <summary>Makes all positions of an axis stay.</summary>
    public void Pin(Value value, int axis, string reason)
    {
        int size = SizeOf(value, axis);
        if (size == 0) return;
        int start = Start(value, axis);
        for (int i = 0; i < size; i++) Labels.Pin(start + i, reason);
    }

    /// <summary>Makes all positions of all axes stay.</summary>
    public void PinAll(Value value, string reason)
    {
        for (int axis = 0; axis < RankOf(value); axis++) Pin(value, axis, reason);
    }

    /// <summary>Makes everything a node reads and writes stay.</summary>
    public void PinNode(Node node, string reason)
    {
        foreach (var input in node.Inputs)
            if (input is not null) PinAll(input, reason);
        foreach (var output in node.Outputs)
            if (output is not null) PinAll(output, reason);
    }

    /// <summary>States that the positions of an axis are the combinations of its factors' positions, the last factor running fastest.</summary>
    public void AddProduct(Value value, int axis, params IReadOnlyList<AxisFactor> factors)
    {
        if (SizeOf(value, axis) > 0) products.Add(new(Start(value, axis), factors));
        else if (factors.Count > 1)
            foreach (var factor in factors) PinFactor(factor, $"an axis of '{value.Name}' that it is part of is not of a known size");
    }

    /// <summary>Makes all positions of a factor stay.</summary>
    public bool PinFactor(AxisFactor factor, string reason)
    {
        bool changed = false;
        for (int i = 0; i < factor.Size; i++) changed |= Labels.Pin(factor.Start + i, reason);
        return changed;
    }

    /// <summary>A factor that stands for an axis of a value; its positions stay if the axis takes no part.</summary>
    public AxisFactor Factor(Value value, int axis) => SizeOf(value, axis) is > 0 and var size ? new(Start(value, axis), size) : new(0, 0);

    /// <summary>A factor of its own.</summary>
    public AxisFactor NewFactor(int size) => new(Labels.Add(size), size);

    /// <summary>A factor of its own whose positions all stay.</summary>
    public AxisFactor NewPinnedFactor(int size, string reason)
    {
        var factor = NewFactor(size);
        PinFactor(factor, reason);
        return factor;
    }
}

/// <summary>A range of positions that is one factor of an axis.</summary>
/// <param name="Start">First position.</param>
/// <param name="Size">Number of positions.</param>
internal readonly record struct AxisFactor(int Start, int Size);

/// <summary>An axis as a product of factors.</summary>
/// <param name="Start">First position of the axis.</param>
/// <param name="Factors">Its factors, the slowest first.</param>
internal sealed record AxisProduct(int Start, IReadOnlyList<AxisFactor> Factors);
