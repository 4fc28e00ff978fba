using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Channels;

/// <summary>What the positions of an axis are to the channels of a group.</summary>
public enum ChannelRole
{
    /// <summary>Computed at run time.</summary>
    Activation,

    /// <summary>Output channels of a weight: filters, columns, gate rows, features of an embedding.</summary>
    Producer,

    /// <summary>Input channels of a weight, summed over.</summary>
    Consumer,

    /// <summary>Elements of another constant: bias, norm, slope, mask.</summary>
    Parameter,
}

/// <summary>An axis of a value where the units of a group have positions.</summary>
/// <param name="Value">A weight, another constant, or a value computed at run time.</param>
/// <param name="Axis">Its axis, not negative.</param>
/// <param name="Role">What the positions are.</param>
/// <param name="PositionsPerUnit">How many positions each unit has here.</param>
/// <param name="Positions">The positions of unit 0, then of unit 1, …; ascending within a unit.</param>
public sealed record ChannelSlot(Value Value, int Axis, ChannelRole Role, int PositionsPerUnit, IReadOnlyList<int> Positions)
{
    /// <summary>True if the value is stored.</summary>
    public bool IsConstant => Value.TryGetConstant(out _);
}

/// <summary>Channels that play the same part: each unit is a set of positions that only go together, and all units have positions on the same axes.</summary>
/// <param name="UnitCount">Number of units.</param>
/// <param name="Slots">All axes with positions of the units, in graph order.</param>
/// <param name="ChangesStatistics">
/// True if a layer normalization runs over the channels: removing some changes its statistics, so the others change a little, too.
/// </param>
public sealed record ChannelGroup(int UnitCount, IReadOnlyList<ChannelSlot> Slots, bool ChangesStatistics)
{
    /// <summary>Weights whose output channels the units are, in graph order.</summary>
    public IEnumerable<ChannelSlot> Producers => Slots.Where(s => s.Role == ChannelRole.Producer);

    /// <summary>Weights that sum over the units, in graph order.</summary>
    public IEnumerable<ChannelSlot> Consumers => Slots.Where(s => s.Role == ChannelRole.Consumer);

    /// <summary>Nodes that compute the units from weights, in graph order.</summary>
    public IReadOnlyList<Node> ProducerNodes => [.. Producers.SelectMany(s => s.Value.Uses.Select(u => u.Node)).Distinct()];
}
