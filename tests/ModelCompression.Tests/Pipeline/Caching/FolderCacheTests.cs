using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Pipeline;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Pipeline.Caching;

[TestClass]
public sealed class FolderCacheTests : IDisposable
{
    private readonly TemporaryFolder folder = new("mcb-cache-");
    private readonly CacheFixture first = new();
    private readonly CacheFixture second = new();

    public void Dispose()
    {
        first.Dispose();
        second.Dispose();
        folder.Dispose();
    }

    [TestMethod]
    public void SecondMachine_TakesModelAndReportsFromTheCache()
    {
        Assert.IsFalse(first.Run(folder.Path).FromCache);

        var outcome = second.Run(folder.Path);

        Assert.IsTrue(outcome.FromCache);
        Assert.AreEqual(CompressionStatus.Compressed, outcome.Status);
        CollectionAssert.AreEqual(new[] { second.Output + ".report.json", second.Output + ".report.html" }, outcome.ReportPaths.ToArray());
        Assert.IsEmpty(outcome.AdditionalOutputs);
        CollectionAssert.AreEqual(first.Files(), second.Files());
        Assert.IsEmpty(second.Diagnostics);
    }

    [TestMethod]
    public void AnythingElse_IsAnotherKey()
    {
        first.Run(folder.Path);

        Assert.IsFalse(second.Run(folder.Path, ("QuantizationScheme", "Asymmetric")).FromCache, "settings");
        second.Reports = ["Json"];
        Assert.IsFalse(second.Run(folder.Path).FromCache, "reports");
        second.Reports = first.Reports;
        Assert.IsFalse(second.Run(folder.Path, ("ValidationData", PipelineFixture.SampleData)).FromCache, "data");
        File.AppendAllText(second.Source, "");
        Assert.IsTrue(second.Run(folder.Path).FromCache, "nothing");
        File.Copy(second.Output, second.Source, overwrite: true);
        Assert.IsFalse(second.Run(folder.Path).FromCache, "model");
    }

    [TestMethod]
    public void OriginalThatIsKept_IsNotStoredButCopied()
    {
        (string, string)[] settings = [("MaxSize", "10%"), ("OnFailure", "KeepOriginal")];
        first.Run(folder.Path, settings);
        Assert.IsTrue(Directory.EnumerateFiles(folder.Path, "*", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length) < new FileInfo(first.Source).Length / 2);

        var outcome = second.Run(folder.Path, settings);

        Assert.IsTrue(outcome.FromCache);
        Assert.AreEqual(CompressionStatus.Original, outcome.Status);
        CollectionAssert.AreEqual(File.ReadAllBytes(second.Source), File.ReadAllBytes(second.Output));
        Assert.AreEqual("MCB5003", second.Diagnostics.Single().Code, "what the user must know is said each time");
        Assert.AreEqual(second.Source, second.Diagnostics.Single().File);
    }

    [TestMethod]
    [DataRow("truncate")]
    [DataRow("flip")]
    [DataRow("empty")]
    [DataRow("delete")]
    public void DamagedBlobs_AreFoundIgnoredAndReplaced(string damage)
    {
        first.Run(folder.Path);
        string[] blobs = [.. Directory.EnumerateFiles(folder.Path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
        Assert.HasCount(4, blobs, "an entry, the model, two reports: the JSON report is stored once");
        foreach (string blob in blobs)
        {
            byte[] good = File.ReadAllBytes(blob);
            Damage(blob, good, damage);

            Assert.IsFalse(second.Run(folder.Path).FromCache, blob);
            CollectionAssert.AreEqual(first.Files(), second.Files());
            CollectionAssert.AreEqual(good, File.ReadAllBytes(blob), "repaired");
            Assert.IsTrue(second.Diagnostics.All(d => d.Code == "MCB9062" && d.Severity == DiagnosticSeverity.Message), string.Join('\n', second.Diagnostics));
        }
    }

    [TestMethod]
    public async Task ManyAtOnce_AllGetTheSameResult()
    {
        var machines = Enumerable.Range(0, 6).Select(_ => new CacheFixture()).ToArray();
        await Task.WhenAll(machines.Select(m => Task.Run(() => m.Run(folder.Path))));

        var said = machines.SelectMany(m => m.Diagnostics).ToArray();
        Assert.IsEmpty(said, string.Join('\n', said.AsEnumerable()));
        foreach (var machine in machines) CollectionAssert.AreEqual(machines[0].Files(), machine.Files());
        foreach (var machine in machines) machine.Dispose();

        Assert.IsTrue(first.Run(folder.Path).FromCache);
        Assert.IsEmpty(Directory.GetFiles(folder.Path, "*.tmp", SearchOption.AllDirectories));
    }

    [TestMethod]
    public void FolderThatCannotBeMade_IsOneWarning()
    {
        string file = folder.Write("file", "x");

        Assert.AreEqual(CompressionStatus.Compressed, first.Run(Path.Combine(file, "cache")).Status);

        Assert.AreEqual("MCB9060", first.Diagnostics.Single().Code);
        Assert.AreEqual(DiagnosticSeverity.Warning, first.Diagnostics.Single().Severity);
    }

    private static void Damage(string path, byte[] good, string how)
    {
        byte[] bad = [.. good];
        bad[bad.Length / 2] ^= 1;
        if (how == "delete") File.Delete(path);
        else File.WriteAllBytes(path, how switch { "truncate" => good[..^1], "flip" => bad, _ => [] });
    }
}
