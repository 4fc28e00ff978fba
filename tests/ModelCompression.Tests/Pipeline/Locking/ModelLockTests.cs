using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Pipeline.Caching;
using ModelCompression.Pipeline.Locking;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Pipeline.Locking;

[TestClass]
public sealed class ModelLockTests : IDisposable
{
    private readonly TemporaryFolder folder = new("mcb-lock-");
    private readonly List<Diagnostic> diagnostics = [];

    public ModelLockTests()
    {
        File.Copy(PipelineFixture.SampleModel, folder.Combine("m.onnx"));
        File.Copy(PipelineFixture.SampleData, folder.Combine("data", "test.npz"));
    }

    private string Output => folder.Combine("out", "Models", "m.onnx");

    public void Dispose() => folder.Dispose();

    [TestMethod]
    public void Entry_NamesInputsAndResultAndIsAcceptedAgain()
    {
        var entry = Run(null, false).Locked!;

        Assert.AreEqual("m.onnx", entry.Source.Path);
        Assert.AreEqual(Digest(folder.Combine("m.onnx")), entry.Source.Sha256);
        Assert.AreEqual("Models/m.onnx", entry.Output.Path);
        Assert.AreEqual(Digest(Output), entry.Output.Sha256);
        Assert.AreEqual(Digest(folder.Combine("data", "test.npz")), entry.Data!["ValidationData"]["data/test.npz"]);
        Assert.AreEqual("WeightOnly", entry.Settings["Quantization"]);
        Assert.AreEqual(ToolVersion.Current, entry.Tool);

        File.Delete(Output);
        Assert.AreEqual(CompressionStatus.Compressed, Run(entry, true).Status);
        Assert.IsEmpty(diagnostics);
    }

    [TestMethod]
    public void ChangedInputs_AreAllNamed()
    {
        var entry = Run(null, false).Locked!;
        byte[] earlier = File.ReadAllBytes(Output);
        using (var data = File.Open(folder.Combine("data", "test.npz"), FileMode.Append)) data.WriteByte(0);
        File.SetLastWriteTimeUtc(folder.Combine("data", "test.npz"), DateTime.UtcNow.AddSeconds(2));

        Assert.AreEqual(CompressionStatus.Failed, Run(entry, true, ("QuantizationScheme", "Asymmetric")).Status);

        var error = diagnostics.Single();
        Assert.AreEqual("MCB5010", error.Code);
        Assert.Contains("QuantizationScheme is Asymmetric, locked is Symmetric", error.Message);
        Assert.Contains("ValidationData file 'data/test.npz' changed", error.Message);
        Assert.DoesNotContain("the model", error.Message.Split(". ")[0]);
        CollectionAssert.AreEqual(earlier, File.ReadAllBytes(Output));
    }

    [TestMethod]
    public void OtherTool_IsNamed()
    {
        var entry = Run(null, false).Locked! with { Tool = "0.0.1" };

        Assert.AreEqual(CompressionStatus.Failed, Run(entry, true).Status);

        Assert.Contains($"the tool is version {ToolVersion.Current}, locked is 0.0.1", diagnostics.Single().Message);
    }

    [TestMethod]
    public void OtherResult_IsAnErrorAndKeepsTheEarlierOne()
    {
        var made = Run(null, false).Locked!;
        byte[] earlier = File.ReadAllBytes(Output);
        string other = new('0', 64);

        Assert.AreEqual(CompressionStatus.Failed, Run(made with { Output = made.Output with { Sha256 = other } }, true).Status);

        var error = diagnostics.Single();
        Assert.AreEqual("MCB5011", error.Code);
        Assert.Contains(other, error.Message);
        Assert.Contains(made.Output.Sha256, error.Message);
        CollectionAssert.AreEqual(earlier, File.ReadAllBytes(Output));
    }

    [TestMethod]
    public void NoEntry_IsAnErrorInLockedModeOnly()
    {
        Assert.AreEqual(CompressionStatus.Failed, Run(null, true).Status);
        Assert.AreEqual("MCB5013", diagnostics.Single().Code);
    }

    [TestMethod]
    public void CachedResultThatIsNotTheLockedOne_IsNotTaken()
    {
        using var cache = ResultCache.Open(folder.Combine("cache"), "/", diagnostics.Add)!;
        var entry = Run(null, false, cache).Locked!;
        Assert.IsTrue(Run(entry, true, cache).FromCache);

        Assert.AreEqual(CompressionStatus.Failed, Run(entry with { Output = entry.Output with { Sha256 = new string('1', 64) } }, true, cache).Status);

        Assert.AreEqual("MCB5011", diagnostics.Single().Code);
    }

    [TestMethod]
    public void CachedResult_ServesABuildThatHasALockEntryByNow()
    {
        File.Copy(PipelineFixture.SampleData, folder.Combine("data", "calib.npz"));
        (string, string)[] settings = [("Quantization", "Static"), ("CalibrationData", folder.Combine("data", "calib.npz")), ("CalibrationSamples", "8")];
        using var cache = ResultCache.Open(folder.Combine("cache"), "/", diagnostics.Add)!;

        var first = Run(null, false, cache, settings);
        var second = Run(first.Locked, true, cache, settings);

        Assert.IsFalse(first.FromCache);
        Assert.IsTrue(second.FromCache);
        CollectionAssert.AreEqual(LockFile.Serialize(Document(first.Locked!)), LockFile.Serialize(Document(second.Locked!)));
        Assert.IsNotEmpty(second.Locked!.Measured!);
    }

    [TestMethod]
    public void OtherWeights_AreNamedInTheError()
    {
        File.Copy(PipelineFixture.SampleData, folder.Combine("data", "calib.npz"));
        (string, string)[] settings = [("WeightBits", "3"), ("QuantizationAlgorithm", "Gptq"), ("BiasCorrection", "false"), ("CalibrationData", folder.Combine("data", "calib.npz")), ("CalibrationSamples", "8")];
        var entry = Run(null, false, settings).Locked!;
        string step = entry.Outcomes!.Keys.First();
        var other = new SortedDictionary<string, string>(entry.Outcomes, StringComparer.Ordinal) { [step] = new string('1', 64) };

        Run(entry with { Outcomes = other, Output = entry.Output with { Sha256 = new string('0', 64) } }, true, settings);

        StringAssert.StartsWith(step, "Gptq of ");
        Assert.Contains($"Other weights came from {step}:", diagnostics.Single(d => d.Code == "MCB5011").Message);
    }

    [TestMethod]
    public void RecordedRanges_TakeThePlaceOfCalibration()
    {
        File.Copy(PipelineFixture.SampleData, folder.Combine("data", "calib.npz"));
        (string, string)[] settings = [("Quantization", "Static"), ("CalibrationData", folder.Combine("data", "calib.npz")), ("CalibrationSamples", "8")];
        var entry = Run(null, false, settings).Locked!;
        Assert.IsGreaterThanOrEqualTo(3, entry.Calibration!.Count);

        Assert.AreEqual(CompressionStatus.Compressed, Run(entry, true, settings).Status, string.Join('\n', diagnostics));
        CollectionAssert.AreEqual(entry.Calibration, Run(entry, false, settings).Locked!.Calibration);

        // Had the other CPU measured slightly more, its build would give other bytes; with the lock file both give the same.
        var wider = new SortedDictionary<string, string>(entry.Calibration.ToDictionary(r => r.Key, r => r.Value == "0 1" ? r.Value : Widened(r.Value)), StringComparer.Ordinal);
        var other = Run(entry with { Calibration = wider }, false, settings).Locked!;
        Assert.AreNotEqual(entry.Output.Sha256, other.Output.Sha256);
        CollectionAssert.AreEqual(wider, other.Calibration);

        // Ranges of other inputs are not taken.
        (string, string)[] uncorrected = [.. settings, ("BiasCorrection", "false")];
        var own = Run(null, false, uncorrected).Locked!;
        CollectionAssert.AreEqual(own.Calibration, Run(entry with { Calibration = wider }, false, uncorrected).Locked!.Calibration);
    }

    private static LockDocument Document(LockedModel model) => new() { Projects = { ["a.csproj"] = new() { ["m.onnx"] = model } } };

    private static string Widened(string range)
    {
        var culture = System.Globalization.CultureInfo.InvariantCulture;
        float[] ends = [.. range.Split(' ').Select(end => float.Parse(end, culture) * 1.25f)];
        return string.Create(culture, $"{ends[0]:R} {ends[1]:R}");
    }

    private CompressionOutcome Run(LockedModel? entry, bool enforced, params (string Name, string Value)[] settings) => Run(entry, enforced, null, settings);

    private CompressionOutcome Run(LockedModel? entry, bool enforced, ResultCache? cache, params (string Name, string Value)[] settings)
    {
        var values = settings.Append(("ValidationData", folder.Combine("data", "test.npz"))).ToDictionary(s => s.Item1, s => s.Item2);
        diagnostics.Clear();
        return new CompressionPipeline(diagnostics.Add, cache).Run(new CompressionRequest
        {
            SourcePath = folder.Combine("m.onnx"),
            Identity = "m.onnx",
            Target = "Models/m.onnx",
            OutputPath = Output,
            Item = new SettingsSource("m", values),
            WrittenPaths = new Dictionary<string, string> { ["ValidationData"] = "data/test.npz" },
            Lock = new ModelLock(folder.Combine("models.lock.json"), entry, enforced),
        });
    }

    private static string Digest(string path) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)));
}
