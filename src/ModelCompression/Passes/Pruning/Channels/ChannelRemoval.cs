using ModelCompression.Analysis;
using ModelCompression.Analysis.Channels;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>Which positions of which axes stay, all groups taken together.</summary>
internal sealed class ChannelRemoval
{
    private readonly Dictionary<(Value Value, int Axis), bool[]> removed = [];
    private readonly List<(Value Value, int Axis)> order = [];
    private readonly Dictionary<(Value Value, int Axis), int[]> kept = [];
    private readonly ShapeInferenceResult shapes;

    public ChannelRemoval(ShapeInferenceResult shapes, IEnumerable<(ChannelGroup Group, bool[] Removed)> decisions)
    {
        this.shapes = shapes;
        foreach (var (group, units) in decisions)
            foreach (var slot in group.Slots) Add(slot, units);
        foreach (var (key, flags) in removed) kept.Add(key, [.. Enumerable.Range(0, flags.Length).Where(i => !flags[i])]);
    }

    /// <summary>No channel is removed.</summary>
    public static ChannelRemoval None(ShapeInferenceResult shapes) => new(shapes, []);

    /// <summary>Axes that lose positions, in graph order.</summary>
    public IReadOnlyList<(Value Value, int Axis)> Axes => order;

    /// <summary>The positions of an axis that stay, ascending; null when all do.</summary>
    public int[]? Kept(Value value, int axis) => kept.GetValueOrDefault((value, axis));

    /// <summary>True if an axis of a value loses positions.</summary>
    public bool Shrinks(Value value) => order.Any(o => o.Value == value);

    /// <summary>Shape before the removal.</summary>
    public Shape Before(Value value) => value.TryGetConstant(out var constant) ? Shape.Of(constant.Dims) : shapes.ShapeOf(value)!;

    /// <summary>Shape after the removal.</summary>
    public Shape After(Value value) => After(value, Before(value));

    /// <summary>A shape of a value with the removal applied.</summary>
    public Shape After(Value value, Shape before) => new([.. before.Dimensions.Select((d, axis) => Kept(value, axis) is { } positions ? Dimension.Of(positions.Length) : d)]);

    /// <summary>Positions per axis: where each of the kept positions moves to, -1 for removed ones.</summary>
    public int[] NewPositions(Value value, int axis)
    {
        var map = new int[Before(value)[axis].Size!.Value];
        Array.Fill(map, -1);
        var stay = Kept(value, axis);
        for (int i = 0; i < (stay?.Length ?? map.Length); i++) map[stay?[i] ?? i] = i;
        return map;
    }

    private void Add(ChannelSlot slot, bool[] units)
    {
        if (!units.AsSpan().Contains(true)) return;
        if (!removed.TryGetValue((slot.Value, slot.Axis), out var flags))
        {
            removed.Add((slot.Value, slot.Axis), flags = new bool[Before(slot.Value)[slot.Axis].Size!.Value]);
            order.Add((slot.Value, slot.Axis));
        }

        for (int i = 0; i < slot.Positions.Count; i++)
            if (units[i / slot.PositionsPerUnit]) flags[slot.Positions[i]] = true;
    }
}
