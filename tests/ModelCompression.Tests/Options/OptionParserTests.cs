using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Tests.Options;

[TestClass]
public sealed class OptionParserTests
{
    [TestMethod]
    public void NothingSet_GivesBalancedWeightOnly()
    {
        var options = Parse([]).Model;

        Assert.AreEqual(Preset.Balanced, options.Preset);
        Assert.AreEqual(QuantizationMode.WeightOnly, options.Quantization);
        Assert.AreEqual(PruningCriterion.None, options.Pruning);
    }

    [TestMethod]
    public void EmptyText_CountsAsNotSet() => Assert.AreEqual(QuantizationMode.WeightOnly, Parse([("Quantization", " ")]).Model.Quantization);

    [TestMethod]
    public void Values_AreCaseInsensitive()
    {
        var options = Parse([("quantization", "weightONLY"), ("QuantizationFormat", "qdq"), ("PruningPattern", "2:4"), ("Pruning", "magnitude")]).Model;

        Assert.AreEqual(QuantizationFormat.Qdq, options.QuantizationFormat);
        Assert.AreEqual(new PruningPattern(PruningPatternKind.NOfM, 2, 4), options.PruningPattern);
    }

    [TestMethod]
    public void Values_WrittenLikeNamesOnACommandLine_AreUnderstood()
    {
        var options = Parse([("Quantization", "weight-only"), ("QuantizationFormat", "matmul-nbits"), ("WeightBits", "4")]).Model;

        Assert.AreEqual(QuantizationMode.WeightOnly, options.Quantization);
        Assert.AreEqual(QuantizationFormat.MatMulNBits, options.QuantizationFormat);
    }

    [TestMethod]
    [DataRow("TargetCpu", "xyz")]
    [DataRow("Sparsity", "150%")]
    public void NothingLikeIt_SuggestsNothing(string name, string value)
    {
        var diagnostics = new List<Diagnostic>();
        Assert.IsNull(OptionParser.Parse(new("item", new Dictionary<string, string> { [name] = value }), [], diagnostics));
        Assert.DoesNotContain("Did you mean", diagnostics[0].Message);
    }

    [TestMethod]
    [DataRow("Quantisation", "None", "MCB1001", "Did you mean 'Quantization'?")]
    [DataRow("Quantization", "WeightOnyl", "MCB1002", "Did you mean 'WeightOnly'?")]
    [DataRow("Quantization", "Int8", "MCB1002", "None, WeightOnly, Dynamic, Static, Float16")]
    [DataRow("TargetCpu", "arm", "MCB1002", "Did you mean 'Arm64'?")]
    [DataRow("Sparsity", "1", "MCB1003", "0 ≤ s < 1")]
    [DataRow("Sparsity", "0,5", "MCB1003", "0 ≤ s < 1")]
    [DataRow("Sparsity", "0,5", "MCB1003", "Did you mean '0.5'?")]
    [DataRow("Sparsity", "50%", "MCB1003", "Did you mean '0.5'?")]
    [DataRow("WeightBits", "9", "MCB1003", "2 to 8")]
    [DataRow("BlockSize", "48", "MCB1003", "power of two")]
    [DataRow("PruningPattern", "4:2", "MCB1002", "N:M")]
    [DataRow("MaxSize", "4", "MCB1003", "unit")]
    [DataRow("MaxSize", "-4MB", "MCB1003", "unit")]
    [DataRow("Seed", "abc", "MCB1003", "whole number")]
    [DataRow("Sparsity", "0.5", "MCB1004", "needs Pruning")]
    [DataRow("Pruning", "Magnitude", "MCB1004", "needs Sparsity")]
    [DataRow("Quantization", "Static", "MCB1004", "CalibrationData")]
    [DataRow("MaxMetricDrop", "0.01", "MCB1004", "ValidationData")]
    [DataRow("BlockSize", "32", "MCB1004", "QuantizationGranularity=Block")]
    [DataRow("SearchTrials", "8", "MCB1004", "Strategy=Auto")]
    public void WrongSetting_IsOneCodedErrorWithHelp(string name, string value, string code, string help)
    {
        var diagnostics = new List<Diagnostic>();
        var item = new SettingsSource("CompressModel 'm.onnx'", new Dictionary<string, string> { [name] = value }) { File = "a.csproj", Line = 3 };

        Assert.IsNull(OptionParser.Parse(item, [], diagnostics));

        var error = diagnostics.First(d => d.Code == code);
        StringAssert.Contains(error.Message, help);
        StringAssert.Contains(error.Message, "CompressModel 'm.onnx'");
        Assert.AreEqual(("a.csproj", 3), (error.File, error.Line));
    }

    [TestMethod]
    public void PatternAndSparsityThatDisagree_AreRefused()
    {
        var diagnostics = new List<Diagnostic>();
        Assert.IsNull(OptionParser.Parse(Source([("Pruning", "Magnitude"), ("PruningPattern", "2:4"), ("Sparsity", "0.7")]), [], diagnostics));
        Assert.AreEqual("MCB1004", diagnostics.Single().Code);
        Assert.IsNotNull(Parse([("Pruning", "Magnitude"), ("PruningPattern", "1:4"), ("Sparsity", "0.75")]));
    }

    [TestMethod]
    [DataRow("Auto", null)]
    [DataRow("Folded", null)]
    [DataRow("QOperator", null)]
    [DataRow("QDQ", "MCB1004")]
    [DataRow("MatMulNBits", "MCB1004")]
    public void Float16_TakesTheFormatsItHas(string format, string? code)
    {
        var diagnostics = new List<Diagnostic>();
        var settings = OptionParser.Parse(Source([("Quantization", "Float16"), ("QuantizationFormat", format)]), [], diagnostics);
        Assert.AreEqual(code, diagnostics.FirstOrDefault()?.Code);
        Assert.AreEqual(code is null, settings is not null);
    }

    [TestMethod]
    [DataRow("QOperator", "Symmetric", "8", "8", null)]
    [DataRow("QDQ", "PowerOfTwo", "8", "16", null)]
    [DataRow("QOperator", "Symmetric", "8", "16", "ActivationBits=16")]
    [DataRow("QDQ", "Codebook", "8", "8", "unevenly spaced")]
    [DataRow("QDQ", "Asymmetric", "8", "8", "keeps symmetric")]
    [DataRow("QDQ", "Symmetric", "4", "8", "WeightOnly")]
    [DataRow("Folded", "Symmetric", "8", "8", "back into floats")]
    [DataRow("MatMulNBits", "Symmetric", "8", "8", "WeightOnly")]
    public void Static_TakesWhatIntegerArithmeticCan(string format, string scheme, string weightBits, string activationBits, string? problem)
    {
        var diagnostics = new List<Diagnostic>();
        OptionParser.Parse(Source([("Quantization", "Static"), ("CalibrationData", "c.npz"), ("QuantizationFormat", format), ("QuantizationScheme", scheme), ("WeightBits", weightBits), ("ActivationBits", activationBits)]), [], diagnostics);
        if (problem is null)
        {
            Assert.IsEmpty(diagnostics);
            return;
        }

        Assert.AreEqual("MCB1004", diagnostics.Single().Code);
        Assert.Contains(problem, diagnostics[0].Message);
    }

    [TestMethod]
    [DataRow("", "", true)]
    [DataRow("FineTuneEpochs=2", "", false)]
    [DataRow("Strategy=Auto", "", false)]
    [DataRow("Pruning=Magnitude;Sparsity=0.5", "", true)]
    [DataRow("Pruning=Taylor;Sparsity=0.5", "", false)]
    [DataRow("", "Pruning=Taylor;Sparsity=0.5", false)]
    public void TrainingDataWithoutUse_IsAWarning(string item, string rule, bool warned)
    {
        var diagnostics = new List<Diagnostic>();
        SettingsSource[] rules = rule.Length == 0 ? [] : [Source([.. Pairs(rule), ("Nodes", "*")])];

        Assert.IsNotNull(OptionParser.Parse(Source([("TrainingData", "t.npz"), .. Pairs(item)]), rules, diagnostics), string.Join(' ', diagnostics.Select(d => d.Message)));

        CollectionAssert.AreEqual(warned ? new[] { ("MCB1004", DiagnosticSeverity.Warning) } : [], diagnostics.Select(d => (d.Code, d.Severity)).ToArray());
    }

    [TestMethod]
    [DataRow("Quantization=WeightOnly;TargetCpu=Arm64", "", true)]
    [DataRow("TargetCpu=Auto", "", true)]
    [DataRow("TargetCpu=Any", "", false)]
    [DataRow("Quantization=Dynamic;TargetCpu=Arm64", "", false)]
    [DataRow("TargetCpu=Arm64", "Quantization=Dynamic", false)]
    [DataRow("Strategy=Auto;TargetCpu=Arm64", "", false)]
    public void TargetCpuWithoutIntegerArithmetic_IsAWarning(string item, string rule, bool warned)
    {
        var diagnostics = new List<Diagnostic>();
        SettingsSource[] rules = rule.Length == 0 ? [] : [Source([.. Pairs(rule), ("Nodes", "*")])];

        Assert.IsNotNull(OptionParser.Parse(Source([.. Pairs(item)]), rules, diagnostics), string.Join(' ', diagnostics.Select(d => d.Message)));

        CollectionAssert.AreEqual(warned ? new[] { ("MCB1004", DiagnosticSeverity.Warning) } : [], diagnostics.Select(d => (d.Code, d.Severity)).ToArray());
    }

    [TestMethod]
    [DataRow("WeightOnly", "QuantizationFormat", "QOperator")]
    [DataRow("Dynamic", "QuantizationScheme", "Codebook")]
    [DataRow("Dynamic", "QuantizationScheme", "PowerOfTwo")]
    [DataRow("Dynamic", "WeightBits", "4")]
    public void IntegerArithmetic_ThatASchemeLacks_IsAnError(string quantization, string name, string value)
    {
        var diagnostics = new List<Diagnostic>();
        Assert.IsNull(OptionParser.Parse(Source([("Quantization", quantization), (name, value)]), [], diagnostics));
        Assert.AreEqual("MCB1004", diagnostics.Single().Code);
        Assert.Contains(name, diagnostics[0].Message);
    }

    [TestMethod]
    [DataRow("Quantization=None", "", true)]
    [DataRow("Quantization=None;Pruning=Magnitude;PruningPattern=Channel;Sparsity=0.5", "", true)]
    [DataRow("Quantization=None;Pruning=Magnitude;Sparsity=0.5", "", false)]
    [DataRow("Quantization=WeightOnly", "", false)]
    [DataRow("Quantization=None", "Pruning=Magnitude;Sparsity=0.5", false)]
    public void SparseStorage_WithoutZerosToStore_HasNoEffect(string item, string rule, bool refused)
    {
        var diagnostics = new List<Diagnostic>();
        SettingsSource[] rules = rule.Length == 0 ? [] : [Source([.. Pairs(rule), ("Nodes", "*")])];

        OptionParser.Parse(Source([("SparseStorage", "Gaps"), .. Pairs(item)]), rules, diagnostics);

        CollectionAssert.AreEqual(refused ? new[] { "MCB1004" } : [], diagnostics.Select(d => d.Code).ToArray(), string.Join(' ', diagnostics.Select(d => d.Message)));
    }

    [TestMethod]
    public void QuantizationFormat_WithoutQuantization_HasNoEffect()
    {
        var diagnostics = new List<Diagnostic>();
        Assert.IsNull(OptionParser.Parse(Source([("Quantization", "None"), ("QuantizationFormat", "Folded")]), [], diagnostics));
        Assert.AreEqual("MCB1004", diagnostics.Single().Code);
    }

    [TestMethod]
    public void Rules_NodeNameWinsOverOpTypeWinsOverItem()
    {
        var settings = Parse(
            [("QuantizationGranularity", "Channel")],
            [("Nodes", "/head/*"), ("QuantizationScheme", "Asymmetric"), ("QuantizationGranularity", "Tensor")],
            [("OpTypes", "Conv;Ge*"), ("QuantizationScheme", "Symmetric"), ("Quantization", "None")]);
        var graph = new OnnxGraph();
        var head = graph.AddNode("Conv", [], ["a"], name: "/head/conv");
        var body = graph.AddNode("Gemm", [], ["b"], name: "/body/fc");
        var other = graph.AddNode("MatMul", [], ["c"], name: "/body/mm");

        Assert.AreEqual(QuantizationScheme.Asymmetric, settings.For(head).QuantizationScheme);
        Assert.AreEqual(QuantizationMode.None, settings.For(head).Quantization);
        Assert.AreEqual(QuantizationMode.None, settings.For(body).Quantization);
        Assert.AreEqual(QuantizationMode.WeightOnly, settings.For(other).Quantization);
    }

    [TestMethod]
    [DataRow("", "", "WeightBits", "8")]
    [DataRow("Nodes", "/a", "", "")]
    [DataRow("Nodes", "/a", "Metric", "Top1")]
    public void RuleWithoutTargetOrEffect_IsRefused(string key, string target, string name, string value)
    {
        var rule = new Dictionary<string, string>();
        if (key.Length > 0) rule[key] = target;
        if (name.Length > 0) rule[name] = value;
        var diagnostics = new List<Diagnostic>();

        Assert.IsNull(OptionParser.Parse(Source([]), [new SettingsSource("CompressModelRule 'r'", rule)], diagnostics));

        Assert.AreEqual("MCB1005", diagnostics[0].Code);
    }

    [TestMethod]
    [DataRow("WeightBts", "4", "MCB1001")]
    [DataRow("WeightBits", "nine", "MCB1003")]
    public void RuleWithOneMistake_IsOneError(string name, string value, string code)
    {
        var diagnostics = new List<Diagnostic>();

        Assert.IsNull(OptionParser.Parse(Source([]), [Source([("Nodes", "*"), (name, value)])], diagnostics));

        Assert.AreEqual(code, diagnostics.Single().Code);
    }

    [TestMethod]
    public void EveryOption_RoundTripsItsCanonicalText()
    {
        var samples = new Dictionary<OptionKind, string[]>
        {
            [OptionKind.Integer] = ["16", "8", "2"],
            [OptionKind.Real] = ["0.25", "99.5"],
            [OptionKind.Boolean] = ["true"],
            [OptionKind.List] = ["a;b*"],
            [OptionKind.Data] = ["/d/a.npz;/d/b"],
            [OptionKind.Text] = ["python3 tools/score.py {model}"],
            [OptionKind.Size] = ["4MB", "25%"],
            [OptionKind.TimeSpan] = ["90s", "00:10:00"],
        };
        foreach (var definition in OptionSchema.All)
        {
            var texts = definition.Choices.Count > 0 ? definition.Choices : samples[definition.Kind];
            var parsed = texts.Select(t => definition.Parse(new CompressionOptions(), t)).FirstOrDefault(o => o is not null);
            Assert.IsNotNull(parsed, definition.Name);
            string canonical = definition.Format(parsed)!;
            Assert.AreEqual(canonical, definition.Format(definition.Parse(new CompressionOptions(), canonical)!), definition.Name);
        }
    }

    private static CompressionSettings Parse((string, string)[] item, params (string, string)[][] rules)
    {
        var diagnostics = new List<Diagnostic>();
        var settings = OptionParser.Parse(Source(item), [.. rules.Select(Source)], diagnostics);
        Assert.IsNotNull(settings, string.Join('\n', diagnostics.Select(d => d.Message)));
        return settings;
    }

    private static SettingsSource Source((string Name, string Value)[] values) =>
        new("CompressModel 'm.onnx'", values.ToDictionary(v => v.Name, v => v.Value));

    [TestMethod]
    [DataRow("gemm", "Gemm", true)]
    [DataRow("CONV*;x", "ConvTranspose", true)]
    [DataRow("MatMul", "MatMulInteger", false)]
    public void Operators_AreNamedInAnyCase(string patterns, string opType, bool matches) => Assert.AreEqual(matches, Wildcard.MatchesOperator(patterns.Split(';'), opType));

    private static (string, string)[] Pairs(string text) =>
        [.. text.Split(';', StringSplitOptions.RemoveEmptyEntries).Select(pair => (pair[..pair.IndexOf('=', StringComparison.Ordinal)], pair[(pair.IndexOf('=', StringComparison.Ordinal) + 1)..]))];
}
