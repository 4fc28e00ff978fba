using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Tests.Graph;

/// <summary>Shorthand for graphs of a few nodes.</summary>
internal static class GraphBuilding
{
    public static Model NewModel()
    {
        var model = new Model(new OnnxGraph("main"));
        model.OpsetImports[""] = 17;
        return model;
    }

    public static Value Input(this OnnxGraph graph, string name) => graph.AddInput(name, new TensorType(DataType.Float, Shape.Of(2)));

    /// <summary>Adds a single-output node and returns its output.</summary>
    public static Value Op(this OnnxGraph graph, string opType, string output, params Value?[] inputs) =>
        graph.AddNode(opType, inputs, [output]).Outputs[0]!;

    /// <summary>Adds an If whose only branch is filled by <paramref name="fill"/>, which returns the branch's output.</summary>
    public static Node If(this OnnxGraph graph, Value condition, Func<OnnxGraph, Value> fill, string output = "if_out")
    {
        var body = new OnnxGraph("then", graph);
        body.AddOutput(fill(body));
        return graph.AddNode("If", [condition], [output], [NodeAttribute.Of("then_branch", body)]);
    }

    public static void AssertSound(Model model)
    {
        var problems = GraphVerifier.Verify(model);
        Assert.IsEmpty(problems, string.Join('\n', problems));
    }
}
