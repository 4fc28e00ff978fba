using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Pipeline;

namespace ModelCompression.Tests.Pipeline;

[TestClass]
public sealed class ScopeCheckTests
{
    [TestMethod]
    [DataRow("ExcludeNodes", "/hed/*", "ExcludeNodes has '/hed/*'")]
    [DataRow("IncludeOpTypes", "Gem", "Did you mean 'Gemm'?")]
    [DataRow("ExcludeOpTypes", "Convv", "Did you mean 'Conv'?")]
    public void NameThatNoNodeHas_IsWarnedAbout(string option, string value, string expected)
    {
        using var fixture = new PipelineFixture();

        var outcome = fixture.Run((option, value));

        Assert.AreNotEqual(CompressionStatus.Failed, outcome.Status);
        var warning = fixture.Diagnostics.Single(d => d.Code == "MCB4046");
        Assert.AreEqual(DiagnosticSeverity.Warning, warning.Severity);
        Assert.Contains(expected, warning.Message);
    }

    [TestMethod]
    [DataRow("ExcludeNodes", "*Gemm*")]
    [DataRow("IncludeOpTypes", "Gemm;LSTM")]
    [DataRow("ExcludeOpTypes", "LSTM")]
    [DataRow("ExcludeOpTypes", "ConvTranspose;Elu")]
    public void NameThatFitsOrIsAPolicy_IsNotWarnedAbout(string option, string value)
    {
        using var fixture = new PipelineFixture();

        fixture.Run((option, value));

        Assert.DoesNotContain(d => d.Code == "MCB4046", fixture.Diagnostics);
    }

    [TestMethod]
    [DataRow("", "/hed/*", "", true)]
    [DataRow("", "", "LSTM", false)]
    [DataRow("fashion.onnx", "", "LSTM", true)]
    [DataRow("fashion.onnx", "*", "Conv", false)]
    public void RuleThatAppliesToNoNode_IsWarnedAboutAtItsPlaceUnlessItIsAPolicy(string model, string nodes, string opTypes, bool warns)
    {
        using var fixture = new PipelineFixture();
        var values = new Dictionary<string, string> { ["Model"] = model, ["Nodes"] = nodes, ["OpTypes"] = opTypes, ["WeightBits"] = "4" };
        var rule = new SettingsSource("CompressModelRule 'r'", values) { File = "App.csproj", Line = 7, Column = 5 };
        Directory.CreateDirectory(Path.GetDirectoryName(fixture.Output)!);

        var outcome = new CompressionPipeline(fixture.Diagnostics.Add).Run(new CompressionRequest
        {
            SourcePath = fixture.Source,
            Identity = "Models/fashion.onnx",
            OutputPath = fixture.Output,
            Item = new SettingsSource("CompressModel 'Models/fashion.onnx'", new Dictionary<string, string>()),
            Rules = [rule],
            Threads = 2,
        });

        Assert.AreEqual(CompressionStatus.Compressed, outcome.Status);
        var warnings = fixture.Diagnostics.Where(d => d.Code == "MCB4046").ToList();
        Assert.HasCount(warns ? 1 : 0, warnings);
        if (warns) Assert.AreEqual(("App.csproj", 7, 5), (warnings[0].File, warnings[0].Line, warnings[0].Column));
        bool applies = nodes == "*";
        Assert.AreEqual(!applies, outcome.Report!.Edits.Any(e => e.Pass == "CompressModelRule" && !e.Applied));
    }
}
