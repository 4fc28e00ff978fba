using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Pipeline;
using ModelCompression.Tests.Analysis;

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
