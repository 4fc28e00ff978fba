using ModelCompression.Tool.Protocol;

namespace ModelCompression.Tool.Tests.Protocol;

[TestClass]
public sealed class RequestReaderTests
{
    [TestMethod]
    public void Read_TakesEveryMember()
    {
        var request = RequestReader.Read("""
            { "protocolVersion": 1, "toolVersion": "2.0", "projectFile": "/p/a.csproj", "projectDirectory": "/p", "outputDirectory": "/o", "responseFile": "/r.json", "threads": 3,
              "parentProcessId": 77, "cachePath": "/c", "lockFile": "/l", "lockedMode": true, "targets": ["a.onnx", "b.onnx"], "unknown": [1, {}],
              "models": [{ "identity": "m\u00e9.onnx", "source": "/s", "output": "/o/m", "target": "t", "definingFile": "/p/a.csproj", "line": 4, "column": 5,
                "reports": { "Json": "/o/m.json" }, "settings": { "Preset": "Lossless" }, "data": [{ "setting": "CalibrationData", "path": "/d", "text": "d" }],
                "rules": [{ "identity": "head", "definingFile": "/p/b.props", "line": 6, "column": 7, "settings": { "Nodes": "a;b" } }] }] }
            """);

        Assert.AreEqual((1, "2.0", "/p/a.csproj", "/p", "/o", "/r.json"), (request.ProtocolVersion, request.ToolVersion, request.ProjectFile, request.ProjectDirectory, request.OutputDirectory, request.ResponseFile));
        Assert.AreEqual((3, 77, "/c", "/l", true), (request.Threads, request.ParentProcessId, request.CachePath, request.LockFile, request.LockedMode));
        CollectionAssert.AreEqual(new[] { "a.onnx", "b.onnx" }, request.Targets.ToArray());
        var model = request.Models.Single();
        Assert.AreEqual(("mé.onnx", "/s", "/o/m", "t", "/p/a.csproj", 4, 5), (model.Identity, model.Source, model.Output, model.Target, model.DefiningFile, model.Line, model.Column));
        Assert.AreEqual("/o/m.json", model.Reports["Json"]);
        Assert.AreEqual("Lossless", model.Settings["Preset"]);
        Assert.AreEqual(new RequestedData("CalibrationData", "/d", "d"), model.Data.Single());
        var rule = model.Rules.Single();
        Assert.AreEqual(("head", "/p/b.props", 6, 7, "a;b"), (rule.Identity, rule.DefiningFile, rule.Line, rule.Column, rule.Settings["Nodes"]));
    }

    [TestMethod]
    public void Read_LeavesOutWhatIsMissing()
    {
        var request = RequestReader.Read("{}");

        Assert.AreEqual(0, request.ProtocolVersion);
        Assert.IsNull(request.CachePath);
        Assert.IsNull(request.LockFile);
        Assert.IsFalse(request.LockedMode);
        Assert.IsEmpty(request.Models);
    }
}
