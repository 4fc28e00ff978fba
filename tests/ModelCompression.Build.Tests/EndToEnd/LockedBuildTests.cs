using System.Text.Json.Nodes;
using ModelCompression.Build.Tests.Integration;

namespace ModelCompression.Build.Tests.EndToEnd;

/// <summary>Lock files written and enforced by real builds.</summary>
[TestClass]
public sealed class LockedBuildTests : IDisposable
{
    private readonly TestSolution _solution = new();

    public void Dispose() => _solution.Dispose();

    [TestMethod]
    public void LockFile_IsWrittenKeptUpToDateAndEnforced()
    {
        Write("app", "<CompressModel Include=\"Models/*.onnx\" />");
        CopyModel("app/Models/a.onnx");
        CopyModel("app/Models/b.onnx");
        _solution.Build("app");
        string first = _solution.Read("app/models.lock.json");
        Assert.AreEqual(Sha256("app/bin/Debug/net10.0/Models/b.onnx"), Output(first, "Models/b.onnx"));
        Assert.DoesNotContain("CompressModels", _solution.Build("app", "--no-restore").Tasks);

        // Another clone accepts it, and does not work again when it has nothing to do.
        foreach (string file in new[] { "app.csproj", "models.lock.json", "Models/a.onnx", "Models/b.onnx" }) Copy("app/" + file, "clone/" + file);
        _solution.Build("clone", "-p:ModelCompressionLockedMode=true");
        Assert.AreEqual(Output(first, "Models/a.onnx"), Sha256("clone/bin/Debug/net10.0/Models/a.onnx"));
        Assert.AreEqual(first, _solution.Read("clone/models.lock.json"));
        Assert.DoesNotContain("CompressModels", _solution.Build("clone", "--no-restore", "-p:ModelCompressionLockedMode=true").Tasks);

        // A lock file that says something else is noticed although nothing else changed.
        _solution.Edit("clone/models.lock.json", Output(first, "Models/a.onnx"), new string('0', 64));
        var tampered = _solution.Run("build", "clone", "--no-restore", "-p:ModelCompressionLockedMode=true").Failed();
        Assert.HasCount(2, tampered.Errors("MCB5011"), tampered.Output);

        // A changed input is named.
        _solution.Edit("app/app.csproj", "Include=\"Models/*.onnx\"", "Include=\"Models/*.onnx\" QuantizationScheme=\"Asymmetric\"");
        var changed = _solution.Run("build", "app", "--no-restore", "-p:ModelCompressionLockedMode=true").Failed();
        Assert.HasCount(2, changed.Errors("MCB5010"), changed.Output);
        Assert.Contains("QuantizationScheme is Asymmetric, locked is Symmetric", changed.Output);
        Assert.AreEqual(first, _solution.Read("app/models.lock.json"));

        // Without the mode the file follows, and a model that is gone leaves it.
        File.Delete(_solution.PathOf("app/Models/b.onnx"));
        _solution.Build("app", "--no-restore");
        var models = JsonNode.Parse(_solution.Read("app/models.lock.json"))!["projects"]!["app.csproj"]!.AsObject();
        CollectionAssert.AreEqual(new[] { "Models/a.onnx" }, models.Select(m => m.Key).ToArray());
        Assert.AreEqual("Asymmetric", (string)models["Models/a.onnx"]!["settings"]!["QuantizationScheme"]!);

        // A deleted lock file comes back.
        string second = _solution.Read("app/models.lock.json");
        File.Delete(_solution.PathOf("app/models.lock.json"));
        _solution.Build("app", "--no-restore");
        Assert.AreEqual(second, _solution.Read("app/models.lock.json"));
    }

    [TestMethod]
    public void LockedModeWithoutLockFile_IsAnError()
    {
        Write("app", "<CompressModel Include=\"Models/a.onnx\" />");
        CopyModel("app/Models/a.onnx");

        var noName = _solution.Run("build", "app", "-p:ModelCompressionLockedMode=true", "-p:ModelCompressionLockFile=").Failed();
        Assert.HasCount(1, noName.Errors("MCB1055"), noName.Output);
        var noFile = _solution.Run("build", "app", "-p:ModelCompressionLockedMode=true").Failed();
        Assert.HasCount(1, noFile.Errors("MCB5013"), noFile.Output);
    }

    private void Write(string folder, string items) => _solution.WriteProject(folder, items,
        $"<ModelCompressionWorkerPath>{RealWorkerTests.WorkerPath}</ModelCompressionWorkerPath><ModelCompressionLockFile>models.lock.json</ModelCompressionLockFile><ModelCompressionReports>Json</ModelCompressionReports>");

    private void CopyModel(string path)
    {
        _solution.Write(path, "");
        File.Copy(RealWorkerTests.SampleModel, _solution.PathOf(path), overwrite: true);
    }

    private void Copy(string from, string to)
    {
        _solution.Write(to, "");
        File.Copy(_solution.PathOf(from), _solution.PathOf(to), overwrite: true);
    }

    private static string Output(string text, string target) => (string)JsonNode.Parse(text)!["projects"]!["app.csproj"]![target]!["output"]!["sha256"]!;

    private string Sha256(string path) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(_solution.PathOf(path))));
}
