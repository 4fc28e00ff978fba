using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization;

/// <summary>Adds constants and nodes at the start of a graph, one after the other; weights of one graph share what they can.</summary>
internal sealed class ConstantWriter(GraphTarget target)
{
    private readonly UnpackingSection section = new(target.Graph);

    private readonly Dictionary<(float Curvature, int Bits), Value> levels = [];

    /// <summary>The table of levels of a precision, added once per graph.</summary>
    public Value Levels(WeightPrecision precision)
    {
        var key = (precision.Curvature, precision.Bits);
        if (levels.TryGetValue(key, out var known)) return known;
        float[] table = new CurvedCodes(precision.Curvature, precision.Bits).Table();
        string name = FormattableString.Invariant($"levels{levels.Count}");
        var value = AsFloat(name, name + ".f", Tensor.Create(DataType.Float16, [table.Length], Array.ConvertAll(table, l => (Half)(l / CurvedCodes.TableUnit))));
        levels.Add(key, value);
        return value;
    }

    /// <summary>Adds a constant.</summary>
    public Value Constant(string name, Tensor tensor) => target.UsesConstantNodes
        ? Node("Constant", [], name, NodeAttribute.Of("value", tensor))
        : target.Graph.AddInitializer(name, tensor);

    /// <summary>Adds a binary16 constant as a binary32 value.</summary>
    public Value AsFloat(string name, string floatName, Tensor halves) => Node("Cast", [Constant(name, halves)], floatName, NodeAttribute.Of("to", (long)DataType.Float));

    /// <summary>Adds the codes of a weight.</summary>
    public Value Codes(string name, CodeStorage codes) => codes.Emit(section, name);

    /// <summary>Adds codes that are planned already.</summary>
    public Value Codes(string name, PackingPlan codes) => codes.Emit(section, name);

    /// <summary>Adds the lower bits of codes wider than a byte.</summary>
    public Value LowBits(string name, CodeStorage codes) => codes.EmitLowBits(section, name);

    /// <summary>Adds a single-output node.</summary>
    public Value Node(string opType, IEnumerable<Value?> inputs, string name, params NodeAttribute[] attributes) => AddNode(opType, inputs, [name], attributes).Outputs[0]!;

    /// <summary>Adds a node.</summary>
    public Node AddNode(string opType, IEnumerable<Value?> inputs, IEnumerable<string> names, params NodeAttribute[] attributes)
    {
        var node = target.Graph.AddNode(opType, inputs, names, attributes, index: section.NextIndex());
        section.EndAt(node);
        return node;
    }
}
