using System.IO.Compression;
using System.Reflection.PortableExecutable;
using System.Text.Json;
using System.Xml.Linq;
using ModelCompression.Build.Tests.EndToEnd;
using ModelCompression.Build.Worker;
using ModelCompression.Testing;

namespace ModelCompression.Build.Tests.Packaging;

/// <summary>What the two packages consist of, seen in packages as a release makes them.</summary>
[TestClass]
public sealed class PackageTests
{
    private const string WorkerFolder = "tools/net10.0/any/";

    private static TemporaryFolder? _packages;

    [ClassInitialize]
    public static void Pack(TestContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _packages = new TemporaryFolder("mcb-pack-");
        foreach (var project in (string[])["ModelCompression.Build", "ModelCompression.Tool"])
        {
            string[] arguments = ["pack", RepositoryPaths.Combine("src", project), "-c", "Release", "-v:quiet", "-nologo", "-nodeReuse:false", "-tl:off", $"-p:PackageOutputPath={_packages.Path}"];
            var result = ExternalCommand.Run("dotnet", arguments, RepositoryPaths.Root);
            Assert.AreEqual(0, result.ExitCode, result.Output);
        }
    }

    [ClassCleanup]
    public static void DeletePackages() => _packages?.Dispose();

    [TestMethod]
    public void BuildPackage_HasImportsTaskWorkerAndPapers()
    {
        using var package = Open("ModelCompression.Build");
        var entries = package.Entries.Select(entry => entry.FullName).ToList();
        foreach (var expected in (string[])
        [
            "build/ModelCompression.Build.props", "build/ModelCompression.Build.targets", "buildMultiTargeting/ModelCompression.Build.targets",
            "tasks/netstandard2.0/ModelCompression.Build.dll", $"{WorkerFolder}modelcompress.dll", $"{WorkerFolder}modelcompress.runtimeconfig.json",
            "README.md", "LICENSE", "ThirdPartyNotices.txt", "ThirdPartyNotices.OnnxRuntime.txt", "docs/options.md", "docs/diagnostics/MCB1001.md",
        ])
            Assert.Contains(expected, entries);
        Assert.IsEmpty(entries.Where(entry => entry.StartsWith("lib/", StringComparison.Ordinal) || entry.Contains("//", StringComparison.Ordinal) || entry.StartsWith("buildTransitive/", StringComparison.Ordinal)));
        Assert.AreEqual("tasks/netstandard2.0/ModelCompression.Build.dll", Assert.ContainsSingle(entries.Where(entry => entry.StartsWith("tasks/", StringComparison.Ordinal))));
    }

    [TestMethod]
    public void BuildPackage_DependsOnNothing()
    {
        using var package = Open("ModelCompression.Build");
        using var stream = package.GetEntry("ModelCompression.Build.nuspec")!.Open();
        var elements = XDocument.Load(stream).Descendants().ToLookup(element => element.Name.LocalName, element => element.Value);
        Assert.IsFalse(elements.Contains("dependencies"));
        Assert.AreEqual("true", elements["developmentDependency"].Single());
    }

    [TestMethod]
    public void BothPackages_HaveTheSameWorker()
    {
        using var build = Open("ModelCompression.Build");
        using var tool = Open("ModelCompression.Tool");
        var worker = WorkerFiles(build);
        Assert.IsNotEmpty(worker);
        Assert.AreSequenceEqual(worker.Where(file => !IsNativeWorker(file)), WorkerFiles(tool).Where(file => !file.StartsWith("DotnetToolSettings.xml", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void Worker_RunsFromILEverywhereAndHasCompiledCopiesForThisPlatform()
    {
        using var package = Open("ModelCompression.Build");
        var portable = Assemblies(package, WorkerFolder).ToList();
        Assert.Contains("modelcompress.dll", portable.Select(entry => entry.Name));
        Assert.Contains("Google.Protobuf.dll", portable.Select(entry => entry.Name));
        Assert.IsEmpty(portable.Where(IsCompiled).Select(entry => entry.FullName));

        var compiledFolder = Assert.ContainsSingle(package.Entries.Select(entry => entry.FullName).Where(name => name.StartsWith($"{WorkerFolder}runtimes/", StringComparison.Ordinal) && name.Contains("/lib/", StringComparison.Ordinal))
            .Select(name => name[..(name.LastIndexOf('/') + 1)]).Distinct());
        var compiled = Assemblies(package, compiledFolder).ToList();
        Assert.AreSequenceEqual(portable.Select(entry => entry.Name), compiled.Select(entry => entry.Name));
        Assert.IsTrue(compiled.All(IsCompiled));
    }

    [TestMethod]
    public void Worker_DeclaresEveryFileOfEveryPlatform()
    {
        using var package = Open("ModelCompression.Build");
        using var stream = package.GetEntry($"{WorkerFolder}modelcompress.deps.json")!.Open();
        using var dependencies = JsonDocument.Parse(stream);
        var declared = dependencies.RootElement.GetProperty("targets").EnumerateObject().Single().Value.EnumerateObject()
            .Where(library => library.Value.TryGetProperty("runtimeTargets", out _))
            .SelectMany(library => library.Value.GetProperty("runtimeTargets").EnumerateObject())
            .Select(asset => (Path: asset.Name, Platform: asset.Value.GetProperty("rid").GetString()))
            .OrderBy(asset => asset.Path, StringComparer.Ordinal).ToList();
        var shipped = WorkerFiles(package).Where(file => !IsNativeWorker(file)).Select(file => file.Split(' ')[0]).Where(file => file.StartsWith("runtimes/", StringComparison.Ordinal));
        Assert.AreSequenceEqual(shipped, declared.Select(asset => asset.Path));
        Assert.IsTrue(declared.All(asset => asset.Path.StartsWith($"runtimes/{asset.Platform}/", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void Worker_WhenStarted_TakesTheCompiledCopies()
    {
        using var folder = new TemporaryFolder("mcb-worker-");
        using (var package = Open("ModelCompression.Build"))
            package.ExtractToDirectory(folder.Path);
        var trace = folder.Combine("host.trace");
        var worker = folder.Combine([.. WorkerFolder.Split('/', StringSplitOptions.RemoveEmptyEntries), "modelcompress.dll"]);
        _ = ExternalCommand.Run("dotnet", ["exec", worker, "--version"], folder.Path, new Dictionary<string, string?> { ["DOTNET_HOST_TRACE"] = "1", ["DOTNET_HOST_TRACEFILE"] = trace });
        var trusted = File.ReadLines(trace).Last(line => line.StartsWith("Property TRUSTED_PLATFORM_ASSEMBLIES", StringComparison.Ordinal)).Split('=')[1].Split(Path.PathSeparator);
        var own = trusted.Where(path => path.Contains(folder.Path, StringComparison.Ordinal)).ToList();
        Assert.IsNotEmpty(own);
        Assert.IsTrue(own.All(path => path.Contains($"{Path.DirectorySeparatorChar}lib{Path.DirectorySeparatorChar}net10.0", StringComparison.Ordinal)), string.Join('\n', own));
    }

    [TestMethod]
    public void NativeWorker_GivesTheBytesAndMessagesOfThePortableOne()
    {
        using var folder = new TemporaryFolder("mcb-native-");
        using (var package = Open("ModelCompression.Build"))
        {
            if (!WorkerFiles(package).Exists(IsNativeWorker)) Assert.Inconclusive("Packed where nothing links native programs.");
            package.ExtractToDirectory(folder.Path);
        }

        string worker = folder.Combine([.. WorkerFolder.Split('/', StringSplitOptions.RemoveEmptyEntries)]);
        string native = Path.Combine(worker, "runtimes", RuntimePlatform.Current(), "native", OperatingSystem.IsWindows() ? "modelcompress.exe" : "modelcompress");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(native, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string data = RepositoryPaths.Combine("samples", "FashionClassifier", "Data", "fashion-test.npz");
        foreach (string[] settings in (string[][])
        [
            [],
            ["--quantization", "Float16", "--pruning", "Magnitude", "--sparsity", "0.5"],
            ["--quantization", "WeightOnly", "--weight-bits", "3", "--quantization-scheme", "Codebook"],
            ["--quantization", "Static", "--calibration-data", data, "--calibration-samples", "32", "--calibration-method", "Entropy", "--bias-correction", "true"],
            ["--pruning", "GradientStability", "--pruning-pattern", "Channel", "--sparsity", "0.5", "--training-data", data, "--gradient-iterations", "4"],
        ])
        {
            var outputs = new List<string>();
            var messages = new List<string>();
            foreach (string[] command in (string[][])[[native], ["dotnet", "exec", Path.Combine(worker, "modelcompress.dll")]])
            {
                outputs.Add(folder.Combine($"m{outputs.Count}.onnx"));
                var run = ExternalCommand.Run(command[0], [.. command[1..], "compress", RealWorkerTests.SampleModel, "-o", outputs[^1], .. settings], folder.Path);
                Assert.AreEqual(0, run.ExitCode, run.Output);
                messages.Add(run.Output);
            }

            Assert.IsGreaterThan(0, messages[0].Length);
            Assert.AreEqual(messages[1], messages[0]);

            CollectionAssert.AreEqual(File.ReadAllBytes(outputs[1]), File.ReadAllBytes(outputs[0]), string.Join(' ', settings));
        }
    }

    [TestMethod]
    public void ToolPackage_IsToolWithDocumentedCommand()
    {
        using var package = Open("ModelCompression.Tool");
        using var stream = package.GetEntry($"{WorkerFolder}DotnetToolSettings.xml")!.Open();
        var command = XDocument.Load(stream).Descendants("Command").Single();
        Assert.AreEqual("dotnet-modelcompress", command.Attribute("Name")!.Value);
        Assert.AreEqual("modelcompress.dll", command.Attribute("EntryPoint")!.Value);
    }

    private static ZipArchive Open(string id) => ZipFile.OpenRead(Directory.GetFiles(_packages!.Path, $"{id}.*.nupkg").Single());

    private static IEnumerable<ZipArchiveEntry> Assemblies(ZipArchive package, string folder) => package.Entries
        .Where(entry => entry.FullName == folder + entry.Name && entry.Name.EndsWith(".dll", StringComparison.Ordinal))
        .OrderBy(entry => entry.Name, StringComparer.Ordinal);

    private static List<string> WorkerFiles(ZipArchive package) => [.. package.Entries
        .Where(entry => entry.FullName.StartsWith(WorkerFolder, StringComparison.Ordinal))
        .Select(entry => $"{entry.FullName[WorkerFolder.Length..]} {entry.Crc32:x8}")
        .Order(StringComparer.Ordinal)];

    private static bool IsNativeWorker(string file) => Path.GetFileNameWithoutExtension(file.Split(' ')[0]) == "modelcompress" && file.StartsWith("runtimes/", StringComparison.Ordinal) && file.Contains("/native/", StringComparison.Ordinal);

    private static bool IsCompiled(ZipArchiveEntry entry)
    {
        using var content = new MemoryStream();
        using (var stream = entry.Open())
            stream.CopyTo(content);
        content.Position = 0;
        using var image = new PEReader(content);
        return image.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.Size > 0;
    }
}
