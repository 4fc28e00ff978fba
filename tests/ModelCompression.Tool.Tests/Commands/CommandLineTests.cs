using System.Text.Json.Nodes;
using ModelCompression.Testing;
using ModelCompression.Tool.Commands;

namespace ModelCompression.Tool.Tests.Commands;

/// <summary>The tool as a process: what it prints, and how it ends.</summary>
[TestClass]
public sealed class CommandLineTests : IDisposable
{
    private static readonly string Program = typeof(BuildCommand).Assembly.Location;
    private static readonly string Model = RepositoryPaths.Combine("samples", "FashionClassifier", "Models", "fashion.onnx");
    private static readonly string Data = RepositoryPaths.Combine("samples", "FashionClassifier", "Data", "fashion-test.npz");

    private readonly TemporaryFolder _folder = new("mcb-tool-");

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public void CancelledWork_HasTimeToTakeAwayWhatItHasWritten() =>
        Assert.IsGreaterThanOrEqualTo(TimeSpan.FromSeconds(10), ModelCompression.Tool.CommandLine.ToolCommandLine.Invocation.ProcessTerminationTimeout!.Value);

    [TestMethod]
    public void Inspect_ShowsOperatorsWeightsAndWhatCanBeCompressed()
    {
        string text = Run(0, "inspect", Model);
        Assert.Contains("Gemm × 2, 2.10 MB", text);
        Assert.Contains("2.weight Float[64,32,3,3], 73.7 kB, filters", text);
        Assert.Contains("Compressible: 2.18 MB", text);
        Assert.DoesNotContain('\u001b', text);

        var json = JsonNode.Parse(Run(0, "inspect", Model, "--json"))!;
        Assert.AreEqual(17, (int)json["opsets"]!["ai.onnx"]!);
        Assert.AreEqual(544_522, (long)json["figures"]!["parameters"]!);
        Assert.AreEqual("image (Float[N,1,32,32])", (string)json["inputs"]![0]!);
        Assert.AreEqual(4, json["graphs"]![0]!["operators"]!.AsArray().SelectMany(o => o!["weights"]!.AsArray()).Count(w => (bool)w!["compressible"]!));
    }

    [TestMethod]
    public void CompressAndCompare_AgreeOnSizesAndAccuracy()
    {
        string small = _folder.Combine("small.onnx");
        var report = JsonNode.Parse(Run(0, "compress", Model, "-o", small, "--json", "--quantization-scheme", "asymmetric"))!;
        Assert.AreEqual(new FileInfo(small).Length, (long)report["compressed"]!["bytes"]!);
        Assert.AreEqual("Asymmetric", (string)report["settings"]!["QuantizationScheme"]!);

        var comparison = JsonNode.Parse(Run(0, "compare", Model, small, "--data", Data, "--latency", "--json"))!;
        Assert.AreEqual((long)report["compressed"]!["bytes"]!, (long)comparison["compressed"]!["bytes"]!);
        Assert.AreEqual((string)report["compressed"]!["sha256"]!, (string)comparison["compressed"]!["sha256"]!);
        Assert.AreEqual("Top1", (string)comparison["validation"]!["metric"]!);
        Assert.AreEqual(2000, (int)comparison["validation"]!["samples"]!);
        Assert.IsGreaterThan(0, (double)comparison["latency"]!["ratio"]!);
        Assert.Contains("Top1 (2000 samples)", Run(0, "compare", Model, small, "--data", Data));
        Assert.Contains("MACs per run", Run(0, "compare", Model, small));
        Assert.Contains("synthetic samples: identical", Run(0, "compare", Model, Model));
        Assert.AreEqual((long)comparison["original"]!["macs"]!, (long)JsonNode.Parse(Run(0, "inspect", Model, "--json"))!["figures"]!["macs"]!);
    }

    [TestMethod]
    public void Sensitivity_ListsLayersTheMostSensitiveFirst()
    {
        var json = JsonNode.Parse(Run(0, "sensitivity", Model, "--data", Data, "--samples", "4", "--weight-bits", "4", "--json"))!;
        double?[] found = [.. json["layers"]!.AsArray().Select(l => (double?)l!["sqnrDb"])];
        Assert.HasCount(4, found);
        CollectionAssert.AreEqual(found.OrderBy(f => f is null).ThenBy(f => f).ToArray(), found);
        Assert.AreEqual(4, (int)json["samples"]!);
        string text = Run(0, "sensitivity", Model, "--data", Data, "--quantization", "Static", "--calibration-samples", "8");
        Assert.Contains("output SQNR, dB", text);
        Assert.Contains("static int8 per channel", text);
        Assert.Contains("MCB1004", Run(2, "sensitivity", Model, "--data", Data, "--quantization", "None"));
    }

    [TestMethod]
    public void ExitCodes_TellFailureFromWrongUsage()
    {
        string output = _folder.Combine("o.onnx");
        Assert.Contains("MCB5003", Run(1, "compress", Model, "-o", output, "--max-size", "1%"));
        Assert.IsFalse(File.Exists(output));
        Assert.Contains("MCB1009", Run(2, "compress", Model));
        Assert.Contains("MCB1009", Run(2, "explode", Model));
        Assert.Contains("MCB100", Run(2, "compress", Model, "-o", output, "--quantization", "Sttic"));
        Assert.Contains("MCB1008", Run(2, "compress", Model, "-o", Model));
        Assert.Contains("MCB1002", Run(2, "compare", Model, Model, "--data", Data, "--metric", "Best"));
        Assert.Contains("MCB1009", Run(2, "compare", Model, Model, "--metric", "Top1"), "it needs data");
        Assert.Contains("MCB1009", Run(2, "compress", Model, "-o", ""));
        Assert.Contains("MCB1009", Run(2, "inspect", " "));
        Assert.Contains("MCB1009", Run(2, "compress", Model, "-o", _folder.Path));
        Assert.Contains("MCB1009", Run(2, "compress", Model, "-o", output, "--threads", "0"));
        Assert.Contains("MCB1009", Run(2, "compress", Model, "-o", output, "--reports", "Json;Pdf"));
        Assert.Contains("MCB1003", Run(2, "sensitivity", Model, "--data", Data, "--weight-bits", "9"));
        Assert.Contains("MCB2001", Run(1, "inspect", _folder.Combine("missing.onnx")));
        Assert.Contains("MCB5013", Run(1, "verify", _folder.Combine("missing.json")));
    }

    /// <summary>What a shell may have done to the streams: a reader that has gone is no failure, a closed one is told, and nothing ends as a crash.</summary>
    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    [DataRow("inspect $MODEL --json | head -c 1 | wc -c", 0, "1")]
    [DataRow("inspect $MODEL | true", 0, "")]
    [DataRow("inspect $MODEL >&-", 1, "error MCB4010: Standard output cannot be written: it is closed.")]
    [DataRow("inspect $MODEL --json >&-", 1, "error MCB4010: Standard output cannot be written: it is closed.")]
    [DataRow("compress --help >&-", 1, "error MCB4010: Standard output cannot be written: it is closed.")]
    [DataRow("inspect missing.onnx 2>&-", 1, "")]
    [DataRow("explode 2>&-", 2, "")]
    [DataRow("inspect missing.onnx >&- 2>&-", 1, "")]
    public void BrokenStreams_AreNoCrash(string command, int exitCode, string expected)
    {
        var run = ExternalCommand.Run("bash", ["-c", $"set -o pipefail; MODEL='{Model}'; dotnet exec '{Program}' {command}"], _folder.Path);
        Assert.AreEqual(exitCode, run.ExitCode, run.Output);
        Assert.AreEqual(expected, run.Output.Trim());
    }

    [TestMethod]
    public void Help_ShowsExamplesOfTheCommand()
    {
        string root = Run(0, "--help");
        foreach (string verb in new[] { "compress", "inspect", "compare", "project", "verify", "completion" }) Assert.Contains($"dotnet modelcompress {verb} ", root);
        string compress = Run(0, "compress", "--help");
        Assert.Contains("--pruning-pattern", compress);
        Assert.Contains("Examples:", compress);
        Assert.DoesNotContain("dotnet modelcompress inspect", compress);
    }

    [TestMethod]
    public void Completion_KnowsCommandsOptionsAndValues()
    {
        Assert.Contains("compress", Suggest("dotnet-modelcompress com"));
        Assert.Contains("--pruning-pattern", Suggest("dotnet-modelcompress compress --pru"));
        CollectionAssert.IsSubsetOf(new[] { "Dynamic", "Static", "WeightOnly" }, Suggest("dotnet-modelcompress compress a.onnx --quantization "));
        foreach (string shell in new[] { "bash", "zsh", "fish", "pwsh" }) Assert.Contains("[suggest:", Run(0, "completion", shell));
        Run(2, "completion", "tcsh");
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Bash_AcceptsTheCompletionScript()
    {
        File.WriteAllText(_folder.Combine("completion.bash"), Run(0, "completion", "bash"));
        var bash = ExternalCommand.Run("bash", ["-c", $"shopt -s expand_aliases; dotnet-modelcompress() {{ dotnet exec '{Program}' \"$@\"; }}; . ./completion.bash; COMP_LINE='dotnet-modelcompress ins'; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=(dotnet-modelcompress ins); COMP_CWORD=1; _modelcompress; echo \"${{COMPREPLY[@]}}\""], _folder.Path);
        Assert.AreEqual("inspect", bash.Output.Trim());
    }

    /// <summary>Builds must not pay for what only people need: with these assemblies broken, everything a build asks for still works.</summary>
    [TestMethod]
    public void BuildVerb_LoadsNothingThatOnlyPeopleNeed()
    {
        string copy = CopyTool();
        string[] broken = ["System.CommandLine.dll", "Spectre.Console.dll", "Microsoft.Build.Locator.dll"];
        foreach (string name in broken)
        {
            Assert.IsTrue(File.Exists(Path.Combine(copy, name)), name);
            File.WriteAllText(Path.Combine(copy, name), "broken");
        }

        string request = WriteRequest();
        var build = ExternalCommand.Run("dotnet", ["exec", Path.Combine(copy, Path.GetFileName(Program)), "build", request], _folder.Path);
        Assert.AreEqual(0, build.ExitCode, build.Output);
        Assert.AreNotEqual(0, ExternalCommand.Run("dotnet", ["exec", Path.Combine(copy, Path.GetFileName(Program)), "inspect", Model], _folder.Path).ExitCode, "the assemblies were broken");
    }

    /// <summary>What is wrong with the native library is said in one line, by every verb that needs it; the process does not die of it.</summary>
    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    [DataRow("missing", "is missing: there is no '")]
    [DataRow("cut short", "has 1000000 of at least ")]
    public void NativeLibraryThatCannotBeUsed_IsAnErrorOfTheEnvironment(string how, string expected)
    {
        string copy = CopyTool(), tool = Path.Combine(copy, Path.GetFileName(Program));
        string[] libraries = Directory.GetFiles(copy, "libonnxruntime.so", SearchOption.AllDirectories);
        Assert.IsNotEmpty(libraries);
        foreach (string library in libraries)
        {
            if (how == "missing") File.Delete(library);
            else using (var file = File.OpenWrite(library)) file.SetLength(1_000_000);
        }

        string[][] commands = [["build", WriteRequest()], ["compress", Model, "-o", _folder.Combine("o.onnx")], ["compare", Model, Model], ["sensitivity", Model, "--data", Data]];
        foreach (string[] command in commands)
        {
            var run = ExternalCommand.Run("dotnet", ["exec", tool, .. command], _folder.Path);
            Assert.AreEqual(1, run.ExitCode, run.Output);
            Assert.HasCount(1, run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries), run.Output);
            Assert.Contains("error MCB9040: ", run.Output);
            Assert.Contains(expected, run.Output);
        }
    }

    private string CopyTool()
    {
        string copy = Path.GetDirectoryName(_folder.Combine("tool", "x"))!;
        foreach (string file in Directory.EnumerateFiles(Path.GetDirectoryName(Program)!, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(copy, Path.GetRelativePath(Path.GetDirectoryName(Program)!, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }

        return copy;
    }

    private string WriteRequest() => _folder.Write("request.json", new JsonObject
    {
        ["protocolVersion"] = 1,
        ["projectFile"] = _folder.Combine("app.csproj"),
        ["projectDirectory"] = _folder.Path,
        ["responseFile"] = _folder.Combine("response.json"),
        ["threads"] = 1,
        ["cachePath"] = _folder.Combine("cache"),
        ["lockFile"] = _folder.Combine("models.lock.json"),
        ["targets"] = new JsonArray("m.onnx"),
        ["models"] = new JsonArray(new JsonObject
        {
            ["identity"] = "m.onnx",
            ["source"] = Model,
            ["output"] = _folder.Combine("out", "m.onnx"),
            ["target"] = "m.onnx",
            ["definingFile"] = "app.csproj",
            ["settings"] = new JsonObject(),
            ["data"] = new JsonArray(),
            ["rules"] = new JsonArray(),
            ["reports"] = new JsonObject { ["Json"] = _folder.Combine("out", "m.onnx.report.json"), ["Html"] = _folder.Combine("out", "m.onnx.report.html") },
        }),
    }.ToJsonString());

    private string[] Suggest(string line) => Run(0, FormattableString.Invariant($"[suggest:{line.Length}]"), line).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private string Run(int expectedExitCode, params string[] arguments)
    {
        var run = ExternalCommand.Run("dotnet", ["exec", Program, .. arguments], _folder.Path);
        Assert.AreEqual(expectedExitCode, run.ExitCode, run.Output);
        return run.Output;
    }
}
