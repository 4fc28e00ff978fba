using System.Diagnostics.CodeAnalysis;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Shapes;

/// <summary>The attributes of a node, with those that stand for an attribute of the enclosing function replaced by the caller's.</summary>
internal readonly struct NodeAttributes(Node node, IReadOnlyDictionary<string, NodeAttribute>? bindings = null)
{
    /// <summary>True if the node refers to function attributes whose values are not known here.</summary>
    public bool HasUnboundReference
    {
        get
        {
            if (bindings is not null) return false;
            foreach (var attribute in node.Attributes)
                if (attribute.ReferencedName is { Length: > 0 }) return true;
            return false;
        }
    }

    public bool TryGet(string name, AttributeType type, [NotNullWhen(true)] out NodeAttribute? attribute)
    {
        if (!node.TryGetAttribute(name, out attribute)) return false;
        if (attribute.ReferencedName is { Length: > 0 } reference && (bindings is null || !bindings.TryGetValue(reference, out attribute))) return false;
        return attribute.Type == type;
    }

    public bool Has(string name) => node.TryGetAttribute(name, out _);

    public long Int(string name, long defaultValue) => TryGet(name, AttributeType.Int, out var a) ? a.Int : defaultValue;

    public float Float(string name, float defaultValue) => TryGet(name, AttributeType.Float, out var a) ? a.Float : defaultValue;

    public string Text(string name, string defaultValue) => TryGet(name, AttributeType.String, out var a) ? a.Text : defaultValue;

    public IReadOnlyList<long>? Ints(string name) => TryGet(name, AttributeType.Ints, out var a) ? a.Ints : null;

    public IReadOnlyList<float>? Floats(string name) => TryGet(name, AttributeType.Floats, out var a) ? a.Floats : null;

    public OnnxGraph? Graph(string name) => TryGet(name, AttributeType.Graph, out var a) ? a.Graph : null;
}
