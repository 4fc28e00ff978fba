using System.Text;
using System.Text.Json.Nodes;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Pipeline;
using ModelCompression.Reports;
using ModelCompression.Testing;
using ModelCompression.Tool.Commands;
using ModelCompression.Tool.Protocol;

namespace ModelCompression.Tool.Tests.Commands;

[TestClass]
public sealed class BuildCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly MemoryStream _stream = new();

    public void Dispose()
    {
        _folder.Dispose();
        _stream.Dispose();
    }

    private string Printed => Encoding.UTF8.GetString(_stream.ToArray());

    [TestMethod]
    public void Run_OneModelFails_OthersAreAnsweredAndTheExitCodeSaysSo()
    {
        var request = Request("a.onnx", "b.onnx", "c.onnx");
        int exitCode = BuildCommand.Run(request, (model, report, _) => model.Identity == "b.onnx" ? Fail(report, "MCB2001") : Succeed(model), Output(), CancellationToken.None);

        Assert.AreEqual(1, exitCode);
        var models = Response(request)["models"]!.AsArray();
        CollectionAssert.AreEqual(new[] { "compressed", "failed", "compressed" }, models.Select(m => (string)m!["status"]!).ToArray());
        Assert.Contains("app.csproj(7,5): error MCB2001: it is broken\n", Printed);
        Assert.Contains("a.onnx: 0.01 kB -> 0.00 kB", Printed);
    }

    [TestMethod]
    public void Run_EngineFailsWithoutReason_AnErrorIsStillPrinted()
    {
        int exitCode = BuildCommand.Run(Request("a.onnx"), (_, _, _) => new CompressionOutcome { Status = CompressionStatus.Failed }, Output(), CancellationToken.None);

        Assert.AreEqual(1, exitCode);
        Assert.Contains("error MCB9058: ", Printed);
    }

    [TestMethod]
    public void Run_Cancelled_StopsBeforeTheNextModelAndNamesNoneAsRunningWrongly()
    {
        using var cancellation = new CancellationTokenSource();
        var request = Request("a.onnx", "b.onnx");
        int exitCode = BuildCommand.Run(request, (model, _, _) =>
        {
            cancellation.Cancel();
            return Succeed(model);
        }, Output(), cancellation.Token);

        Assert.AreEqual(130, exitCode);
        Assert.HasCount(1, Response(request)["models"]!.AsArray());
        Assert.AreEqual("", (string)Response(request)["running"]!);
    }

    [TestMethod]
    public void Run_EngineDies_TheResponseNamesTheModel()
    {
        var request = Request("a.onnx", "b.onnx");
        Assert.ThrowsExactly<InvalidProgramException>(() => BuildCommand.Run(request, (model, _, _) => model.Identity == "b.onnx" ? throw new InvalidProgramException() : Succeed(model), Output(), CancellationToken.None));

        Assert.AreEqual("b.onnx", (string)Response(request)["running"]!);
        Assert.HasCount(1, Response(request)["models"]!.AsArray());
    }

    [TestMethod]
    public void Run_DataIsGiven_TheEngineGetsFullPathsAndReportsTheWrittenOnes()
    {
        CompressionRequest? seen = null;
        string data = _folder.Write("data/c.npz", "x");
        var request = Request("a.onnx") with { Threads = 3 };
        request = request with { Models = [request.Models[0] with { Data = [new RequestedData("CalibrationData", data, "data/c.npz")], Settings = new Dictionary<string, string> { ["CalibrationData"] = "data/c.npz" } }] };
        BuildCommand.Run(request, (model, _, _) =>
        {
            seen = model;
            return Succeed(model);
        }, Output(), CancellationToken.None);

        Assert.AreEqual(data, seen!.Item.Values["CalibrationData"]);
        Assert.AreEqual("data/c.npz", seen.WrittenPaths["CalibrationData"]);
        Assert.AreEqual(3, seen.Threads);
        var dependencies = Response(request)["models"]![0]!["dependencies"]!.AsArray().Select(d => (string)d!["path"]!).ToArray();
        CollectionAssert.AreEqual(new[] { request.Models[0].Source, data }, dependencies);
        Assert.AreEqual("2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", (string)Response(request)["models"]![0]!["dependencies"]![1]!["sha256"]!);
    }

    [TestMethod]
    [DataRow("""{ "protocolVersion": 2 }""", "protocol version 2")]
    [DataRow("not json", "cannot be read")]
    public void Read_RequestOfAnotherKind_SaysWhy(string text, string expected)
    {
        Assert.IsNull(BuildCommand.Read(_folder.Write("request.json", text), Output()));
        Assert.Contains("error MCB9057: ", Printed);
        Assert.Contains(expected, Printed);
    }

    [TestMethod]
    public void WriteLine_ReaderGone_AsksToStopOnce()
    {
        int asked = 0;
        using var stream = new BrokenStream();
        var output = new ProtocolOutput(stream, () => asked++);
        output.WriteLine("one");
        output.WriteLine("two");
        Assert.AreEqual(1, asked);
    }

    [TestMethod]
    [DataRow(0, 0, "m.onnx: warning MCB1: text")]
    [DataRow(4, 0, "m.onnx(4): warning MCB1: text")]
    [DataRow(4, 2, "m.onnx(4,2): warning MCB1: text")]
    public void Canonical_Place_IsWrittenAsFarAsItIsKnown(int line, int column, string expected) =>
        Assert.AreEqual(expected, ProtocolOutput.Canonical(Diagnostic.Warning("MCB1", "text"), "m.onnx", line, column));

    private ProtocolOutput Output() => new(_stream, () => { });

    private BuildRequest Request(params string[] identities) => new()
    {
        ProtocolVersion = 1,
        ResponseFile = _folder.Combine("response.json"),
        Models = [.. identities.Select(identity => new RequestedModel { Identity = identity, Source = _folder.Write(identity, "0123456789"), Output = _folder.Combine("out", identity), DefiningFile = "app.csproj", Line = 7, Column = 5 })],
    };

    private static JsonNode Response(BuildRequest request) => JsonNode.Parse(File.ReadAllText(request.ResponseFile))!;

    private static CompressionOutcome Fail(Action<Diagnostic> report, string code)
    {
        report(Diagnostic.Error(code, "it is broken"));
        return new CompressionOutcome { Status = CompressionStatus.Failed };
    }

    private static CompressionOutcome Succeed(CompressionRequest request) => new()
    {
        Status = CompressionStatus.Compressed,
        Report = new CompressionReport
        {
            Model = request.Identity,
            ToolVersion = "1.0.0",
            Status = "compressed",
            Original = new ModelFigures { Bytes = 10, Sha256 = "aa" },
            Compressed = new ModelFigures { Bytes = 4, Sha256 = "bb" },
            Settings = new Dictionary<string, string>(),
            Pruning = new PruningFigures("None", "Unstructured", 0),
            Quantization = new QuantizationFigures("WeightOnly", 8),
            Layers = [],
            Gates = [],
            Edits = [],
        },
    };

    /// <summary>A pipe whose reader went away.</summary>
    private sealed class BrokenStream : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => throw new IOException("Broken pipe");
    }
}
