using ModelCompression.Gradients;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Gradients;

/// <summary>What cannot be differentiated is an error that names it, never a silent zero.</summary>
[TestClass]
public sealed class GradientErrorTests
{
    [TestMethod]
    public void OperatorWithoutARule_IsNamed()
    {
        var e = Build(graph =>
        {
            var y = graph.AddNode("MatMul", [graph.Inputs[0], graph.Initializers.Single()], ["y"]).Outputs[0]!;
            return graph.AddNode("Hardmax", [y], ["z"], name: "hard").Outputs[0]!;
        });
        Assert.AreEqual("MCB4060", e.Diagnostic.Code);
        StringAssert.Contains(e.Message, "Hardmax 'hard'");
    }

    [TestMethod]
    public void SizeThatDependsOnData_IsNamed()
    {
        var e = Build(graph =>
        {
            var places = graph.AddNode("NonZero", [graph.Inputs[0]], ["places"]).Outputs[0]!;
            var rows = graph.AddNode("Cast", [graph.AddNode("Transpose", [places], ["rows"]).Outputs[0]!], ["numbers"], [NodeAttribute.Of("to", (long)DataType.Float)]).Outputs[0]!;
            return graph.AddNode("MatMul", [rows, graph.Initializers.Single()], ["y"]).Outputs[0]!;
        });
        Assert.AreEqual("MCB4061", e.Diagnostic.Code);
        StringAssert.Contains(e.Message, "which is not known before the model runs");
    }

    private static DiagnosticException Build(Func<OnnxGraph, Value> body)
    {
        using var model = new Model(new OnnxGraph("net")) { IrVersion = 8 };
        model.OpsetImports[""] = 17;
        model.Graph.AddInput("x", new TensorType(DataType.Float, Shape.Of(4, 2)));
        var weight = model.Graph.AddInitializer("w", Tensor.Float([2, 3], [1, 2, 3, 4, 5, 6]));
        model.Graph.AddOutput(body(model.Graph));
        var request = new GradientRequest([weight], GradientLossKind.SquaredError, new Dictionary<string, Shape> { ["x"] = Shape.Of(4, 2) });
        return Assert.ThrowsExactly<DiagnosticException>(() => GradientGraph.Build(model, request));
    }
}
