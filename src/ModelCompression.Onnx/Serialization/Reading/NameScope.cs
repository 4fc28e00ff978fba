using System.Diagnostics.CodeAnalysis;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Onnx.Serialization.Reading;

/// <summary>The names of one graph, and behind them those of the graphs around it.</summary>
internal sealed class NameScope(NameScope? outer)
{
    private readonly Dictionary<string, Value> values = new(StringComparer.Ordinal);

    /// <summary>Defines a name; false when this graph has it already.</summary>
    public bool TryDefine(Value value) => values.TryAdd(value.Name, value);

    /// <summary>Finds a value of this graph.</summary>
    public bool TryGetOwn(string name, [NotNullWhen(true)] out Value? value) => values.TryGetValue(name, out value);

    /// <summary>Finds a value of this graph or the nearest outer one.</summary>
    public Value? Find(string name)
    {
        for (var scope = this; scope is not null; scope = scope.Outer)
            if (scope.values.TryGetValue(name, out var value)) return value;
        return null;
    }

    private NameScope? Outer { get; } = outer;
}
