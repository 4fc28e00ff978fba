using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Runtime;

/// <summary>Models of a few nodes for tests of what runs them.</summary>
internal static class SmallModel
{
    public static Model Empty(long opset = 17)
    {
        var model = new Model(new OnnxGraph("g")) { IrVersion = 8 };
        model.OpsetImports[""] = opset;
        return model;
    }

    public static Value Input(this Model model, string name, DataType type, params Dimension[] dims) => model.Graph.AddInput(name, new TensorType(type, new Shape(dims)));

    public static Value Node(this Model model, string opType, string output, params Value?[] inputs) => model.Graph.AddNode(opType, inputs, [output]).Outputs[0]!;

    public static Value Weight(this Model model, string name, Tensor tensor) => model.Graph.AddInitializer(name, tensor);

    public static void Output(this Model model, Value value, DataType type, params Dimension[] dims)
    {
        value.Type = new TensorType(type, new Shape(dims));
        model.Graph.AddOutput(value);
    }

    public static string Save(this Model model, TemporaryFolder folder, string name)
    {
        string path = folder.Combine(name);
        OnnxWriter.Write(model, path);
        return path;
    }

    /// <summary>scores [N,classes] = x [N,features] · weights.</summary>
    public static Model Linear(int features, int classes, params float[] weights)
    {
        var model = Empty();
        var x = model.Input("x", DataType.Float, Dimension.OfSymbol("N"), features);
        model.Output(model.Node("MatMul", "scores", x, model.Weight("w", Tensor.Float([features, classes], weights))), DataType.Float, Dimension.OfSymbol("N"), classes);
        return model;
    }

    /// <summary>max(−x − threshold, 0) of a picture of open size.</summary>
    public static Model Rectified(float threshold)
    {
        var model = Empty();
        Dimension[] dims = [1, 3, Dimension.OfSymbol("h"), Dimension.OfSymbol("w")];
        var x = model.Input("image", DataType.Float, dims);
        model.Output(model.Node("Relu", "y", model.Node("Sub", "shifted", model.Node("Neg", "negated", x), model.Weight("t", Tensor.Float([], [threshold])))), DataType.Float, dims);
        return model;
    }
}
