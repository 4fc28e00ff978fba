using System.Text;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Pipeline.Locking;
using ModelCompression.Statistics;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Pipeline.Locking;

[TestClass]
public sealed class LockFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new("mcb-lock-");

    private string LockPath => folder.Combine("models.lock.json");

    public void Dispose() => folder.Dispose();

    [TestMethod]
    public void Update_KeepsOrderAndDropsModelsThatAreGone()
    {
        Update("b/b.csproj", "z.onnx", "z.onnx");
        Update("a/a.csproj", "Models/y.onnx", "Models/y.onnx", "x.onnx");
        string before = File.ReadAllText(LockPath);
        Update("a/a.csproj", "x.onnx", "Models/y.onnx", "x.onnx");
        Update("a/a.csproj", "x.onnx", "x.onnx");

        var document = LockFile.Read(LockPath);
        CollectionAssert.AreEqual(new[] { "a/a.csproj", "b/b.csproj" }, document.Projects.Keys.ToArray());
        CollectionAssert.AreEqual(new[] { "x.onnx" }, document.Projects["a/a.csproj"].Keys.ToArray());
        Assert.IsLessThan(before.IndexOf("b/b.csproj", StringComparison.Ordinal), before.IndexOf("a/a.csproj", StringComparison.Ordinal));
        CollectionAssert.AreEqual(LockFile.Serialize(document), File.ReadAllBytes(LockPath));
        Assert.DoesNotContain('\r', before);
        Assert.DoesNotContain(folder.Path, before);
    }

    [TestMethod]
    public void Update_ByManyAtOnce_LosesNothing()
    {
        Parallel.For(0, 24, i => Update($"p{i}/p.csproj", "m.onnx", "m.onnx"));

        Assert.HasCount(24, LockFile.Read(LockPath).Projects);
        Assert.HasCount(1, Directory.GetFiles(folder.Path));
    }

    [TestMethod]
    public void Update_NothingChanged_LeavesTheFileAlone()
    {
        Update("a/a.csproj", "m.onnx", "m.onnx");
        var time = new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(LockPath, time);

        Update("a/a.csproj", "m.onnx", "m.onnx");

        Assert.AreEqual(time, File.GetLastWriteTimeUtc(LockPath));
    }

    [TestMethod]
    [DataRow("<<<<<<< HEAD", "invalid start")]
    [DataRow("<<<<<<< HEAD", "Resolve the merge conflict in it, take it back")]
    [DataRow("no JSON", "Take it back")]
    [DataRow("""{ "version": 2 }""", "it has version 2")]
    public void Read_SomethingElse_IsACodedError(string text, string reason)
    {
        File.WriteAllText(LockPath, text);

        var error = Assert.ThrowsExactly<DiagnosticException>(() => LockFile.Read(LockPath)).Diagnostic;

        Assert.AreEqual("MCB5012", error.Code);
        Assert.Contains(reason, error.Message);
        Assert.AreEqual(LockPath, error.File);
    }

    [TestMethod]
    public void Verification_FindsChangedMissingAndForeignFiles()
    {
        folder.Write("app/m.onnx", "source");
        folder.Write("publish/m.onnx", "result");
        LockFile.Update(LockPath, folder.Combine("app", "app.csproj"), "m.onnx", Model("m.onnx", "source", "result", ("m.onnx.data", "external")), ["m.onnx"]);

        Assert.AreEqual("result m.onnx True;result m.onnx.data False it is missing", Text(LockVerification.CheckResults(LockPath, folder.Combine("publish"))));
        folder.Write("publish/m.onnx.data", "external");
        Assert.IsTrue(LockVerification.CheckResults(LockPath, folder.Combine("publish")).All(c => c.Passed));
        folder.Write("publish/m.onnx", "tampered");
        StringAssert.StartsWith(Text(LockVerification.CheckResults(LockPath, folder.Combine("publish"))), "result m.onnx False its SHA-256 is ");

        folder.Write("app/bin/Release/net10.0/m.onnx", "result");
        folder.Write("app/bin/Release/net10.0/m.onnx.data", "other");
        string projects = Text(LockVerification.CheckProjects(LockPath));
        StringAssert.StartsWith(projects, "source app/m.onnx True;result app/bin/Release/net10.0/m.onnx True;result app/bin/Release/net10.0/m.onnx.data False ");
    }

    [TestMethod]
    [DataRow(-0.1f, 3.4028235E+38f)]
    [DataRow(0f, 1e-45f)]
    [DataRow(-1.0000001f, 7.0000005f)]
    public void Ranges_AreKeptToTheLastBit(float minimum, float maximum)
    {
        var measured = new MeasurementRecord();
        measured.AddRange("t", minimum, maximum);

        var taken = new MeasurementRecord(measured.Measured);

        Assert.IsTrue(taken.TryGetRange("t", out float low, out float high));
        Assert.AreEqual(BitConverter.SingleToInt32Bits(minimum), BitConverter.SingleToInt32Bits(low));
        Assert.AreEqual(BitConverter.SingleToInt32Bits(maximum), BitConverter.SingleToInt32Bits(high));
        Assert.IsFalse(taken.TryGetRange("other", out _, out _));
        CollectionAssert.AreEqual(measured.Measured.Ranges.ToArray(), taken.Measured.Ranges.ToArray());
    }

    private void Update(string project, string target, params string[] targets) => LockFile.Update(LockPath, folder.Combine(project.Split('/')), target, Model(target, "s", "r"), targets);

    private static LockedModel Model(string target, string source, string result, params (string Name, string Content)[] files) => new()
    {
        Tool = "1.0.0",
        Source = new(target, Digest(source)),
        Settings = new() { ["Preset"] = "Balanced" },
        Output = new(target, Digest(result)),
        Files = files.Length == 0 ? null : new(files.ToDictionary(f => f.Name, f => Digest(f.Content))),
    };

    private static string Digest(string text) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static string Text(IEnumerable<LockCheck> checks) => string.Join(';', checks.Select(c => $"{c.Kind} {c.File} {c.Passed} {c.Problem}".Trim()));
}
