using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Pipeline;
using ModelCompression.Tests.Analysis;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Pipeline;

[TestClass]
public sealed class ModelRequirementsTests
{
    [TestMethod]
    public void ModelWithoutOutputs_IsRefused()
    {
        var model = GraphFixture.NewModel();
        model.Add("Relu", [model.Input("x", 2)]);

        var error = Assert.ThrowsExactly<DiagnosticException>(() => ModelRequirements.Check(model));
        Assert.AreEqual("MCB2018", error.Diagnostic.Code);
        Assert.Contains("no outputs", error.Message);
    }

    /// <summary>Each of these was opened: those that are refused ended the process.</summary>
    [TestMethod]
    [DataRow(DataType.Float16, true, 1, true)]
    [DataRow(DataType.Float16, false, 1, false)]
    [DataRow(DataType.Float16, true, 2, false)]
    [DataRow(DataType.BFloat16, true, 1, false)]
    public void HalfInitializerThatCallersMayOverride_IsRefusedWhereOnnxRuntimeCrashes(DataType type, bool isInput, int users, bool isRefused)
    {
        var model = new TestModel();
        var stored = Tensor.Create(type, [8, 8], new Half[64]);
        var weight = isInput ? model.Input("w", type, 8, 8) : model.Constant("w", stored);
        if (isInput) model.Graph.SetInitializer(weight, stored);
        var floats = model.Node("Cast", [weight], NodeAttribute.Of("to", (long)DataType.Float));
        for (int i = 0; i < users; i++) model.Output(model.Node("MatMul", [model.Input("x", 8, 8), floats]));

        if (!isRefused)
        {
            ModelRequirements.Check(model.Model);
            using var session = Equivalence.Open(OnnxWriter.ToBytes(model.Model));
            Assert.HasCount(users, session.Interface.Outputs);
            return;
        }

        var error = Assert.ThrowsExactly<DiagnosticException>(() => ModelRequirements.Check(model.Model));
        Assert.AreEqual("MCB2042", error.Diagnostic.Code);
        Assert.Contains("'w' is a Float16 initializer that is a graph input as well", error.Message);
    }

    [TestMethod]
    public void OperatorOfADomainThatIsNotImported_IsRefusedByName()
    {
        var model = GraphFixture.NewModel();
        model.Graph.AddOutput(model.AddMicrosoft("Gelu", [model.Input("x", 2)]));
        ModelRequirements.Check(model);
        model.OpsetImports.Remove("com.microsoft");

        var error = Assert.ThrowsExactly<DiagnosticException>(() => ModelRequirements.Check(model));
        Assert.AreEqual("MCB2018", error.Diagnostic.Code);
        Assert.Contains("Gelu", error.Message);
        Assert.Contains("'com.microsoft'", error.Message);
        Assert.Contains("only 'ai.onnx'", error.Message);
    }
}
