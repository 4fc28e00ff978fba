using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients;

/// <summary>
/// A model as gradients are computed of it, in binary32: a model that has binary32 weights as it is; else a copy whose constants, conversions and declared types of binary16, bfloat16 and, where
/// weights have that type, binary64 are binary32. Its inputs keep their types and are converted, so that it takes the same data.
/// </summary>
/// <remarks>
/// Constants and inputs of the narrower types are converted exactly. Finite binary64 numbers beyond the range of binary32, masks for the most part, become its largest ones.
/// </remarks>
internal sealed class SinglePrecisionModel : IDisposable
{
    /// <summary>Attributes that state an element type.</summary>
    private static readonly string[] TypeAttributes = ["to", "dtype", "output_dtype", "output_datatype"];

    private readonly bool isCopy;
    private readonly DataType[] types;

    private SinglePrecisionModel(Model model, IReadOnlyList<Value> weights, DataType[] types)
    {
        this.types = types;
        isCopy = types.Length > 0;
        (Model, Weights) = (model, weights);
        if (!isCopy) return;
        var copy = ModelCopy.Of(model, keepsDeclarations: false);
        (Model, Weights) = (copy.Model, [.. weights.Select(w => copy.Values[w])]);
        var given = Model.Graph.Inputs.Where(i => i.Initializer is null).ToArray();
        foreach (var graph in Model.AllGraphs())
        {
            foreach (var value in graph.Inputs.Except(given).Concat(graph.Nodes.SelectMany(n => n.Outputs).OfType<Value>())) StateType(value);
            foreach (var value in graph.Initializers) Convert(graph, value);
            foreach (var node in graph.Nodes.ToArray()) Convert(node);
        }

        foreach (var input in given)
            if (input.TensorType is { } type && types.Contains(type.ElementType)) CastAll(Model.Graph, input);
    }

    /// <summary>The model; disposed with this where it is a copy.</summary>
    public Model Model { get; }

    /// <summary>The weights in <see cref="Model"/>.</summary>
    public IReadOnlyList<Value> Weights { get; }

    /// <summary>Views a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="weights">Floating point constants of its main graph.</param>
    public static SinglePrecisionModel Of(Model model, IReadOnlyList<Value> weights)
    {
        bool hasHalf = weights.Any(w => TypeOf(w) is DataType.Float16 or DataType.BFloat16) || model.Graph.Nodes.Any(n => n.Is("Cast") && (DataType)n.GetInt("to", 0) is DataType.Float16 or DataType.BFloat16);
        bool hasDouble = weights.Any(w => TypeOf(w) == DataType.Double);
        // Beside other weights, binary64 is for sizes and positions, which are to stay exact.
        return new(model, weights, hasDouble ? [DataType.Float16, DataType.BFloat16, DataType.Double] : hasHalf ? [DataType.Float16, DataType.BFloat16] : []);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (isCopy) Model.Dispose();
    }

    private static DataType TypeOf(Value weight) => weight.TryGetConstant(out var tensor) ? tensor.DataType : throw new ArgumentException($"'{weight.Name}' is no constant.");

    private void StateType(Value value)
    {
        if (value.TensorType is { } type && types.Contains(type.ElementType)) value.Type = type with { ElementType = DataType.Float };
    }

    private void Convert(OnnxGraph graph, Value constant)
    {
        if (constant.Initializer is { } tensor && types.Contains(tensor.DataType))
        {
            graph.SetInitializer(constant, Convert(tensor));
            StateType(constant);
        }
        else if (constant.SparseInitializer is { } sparse && types.Contains(sparse.Values.DataType))
        {
            CastAll(graph, constant);
        }
    }

    private void Convert(Node node)
    {
        foreach (var attribute in node.Attributes.ToArray())
        {
            if (attribute.Holds(AttributeType.Tensor) && types.Contains(attribute.Tensor.DataType)) node.SetAttribute(NodeAttribute.Of(attribute.Name, Convert(attribute.Tensor)));
            else if (attribute.Holds(AttributeType.Int) && TypeAttributes.Contains(attribute.Name) && types.Contains((DataType)attribute.Int)) node.SetAttribute(NodeAttribute.Of(attribute.Name, (long)DataType.Float));
        }
    }

    private static void CastAll(OnnxGraph graph, Value value)
    {
        var uses = value.Uses.ToArray();
        if (uses.Length == 0) return;
        var converted = graph.AddNode("Cast", [value], [graph.NewName(value.Name)], [NodeAttribute.Of("to", (long)DataType.Float)], index: 0).Outputs[0]!;
        foreach (var use in uses) use.Node.SetInput(use.Index, converted);
    }

    private static Tensor Convert(Tensor tensor)
    {
        var converted = FloatElements.AsFloat(tensor);
        if (tensor.DataType != DataType.Double) return converted;
        var exact = tensor.AsSpan<double>();
        float[] elements = converted.AsSpan<float>().ToArray();
        for (int i = 0; i < elements.Length; i++)
            if (float.IsInfinity(elements[i]) && double.IsFinite(exact[i])) elements[i] = MathF.CopySign(float.MaxValue, elements[i]);
        return Tensor.Float(tensor.Dims, elements);
    }
}
