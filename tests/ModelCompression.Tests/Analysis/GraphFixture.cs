using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Analysis;

/// <summary>Shortens the making of small models.</summary>
internal static class GraphFixture
{
    public static Model NewModel(long opset = 17)
    {
        var model = new Model(new OnnxGraph("main"));
        model.OpsetImports[""] = opset;
        return model;
    }

    /// <summary>Adds a float input; strings are symbols, numbers sizes, null unknown.</summary>
    public static Value Input(this Model model, string name, params object?[] dims) => model.Input(name, DataType.Float, dims);

    public static Value Input(this Model model, string name, DataType type, params object?[] dims) => model.Graph.AddInput(name, new TensorType(type, Shape(dims)));

    public static Shape Shape(params object?[] dims) => new(dims.Select(d => d switch
    {
        int size => Dimension.Of(size),
        string symbol => Dimension.OfSymbol(symbol),
        _ => Dimension.Unknown,
    }));

    public static Value Add(this OnnxGraph graph, string opType, Value?[] inputs, params NodeAttribute[] attributes) =>
        graph.AddNode(opType, inputs, [$"{opType.ToLowerInvariant()}_out"], attributes).Outputs[0]!;

    public static Value Add(this Model model, string opType, Value?[] inputs, params NodeAttribute[] attributes) => model.Graph.Add(opType, inputs, attributes);

    public static Value AddMicrosoft(this Model model, string opType, Value?[] inputs, params NodeAttribute[] attributes)
    {
        model.OpsetImports["com.microsoft"] = 1;
        return model.Graph.AddNode(opType, inputs, [$"{opType.ToLowerInvariant()}_out"], attributes, "com.microsoft").Outputs[0]!;
    }

    public static Value Ints(this Model model, params long[] values) => model.Graph.AddInitializer("ints", Tensor.Int64([values.Length], values));

    public static Value Floats(this Model model, string name, params long[] dims)
    {
        var random = new Random(17);
        var elements = new float[Tensor.CountElements(dims)];
        for (int i = 0; i < elements.Length; i++) elements[i] = (float)(random.NextDouble() - 0.5);
        return model.Graph.AddInitializer(name, Tensor.Float(dims, elements));
    }

    public static Value Bytes(this Model model, string name, params long[] dims) =>
        model.Graph.AddInitializer(name, Tensor.Create(DataType.Int8, dims, new sbyte[Tensor.CountElements(dims)]));
}
