using ModelCompression.Build.Items;
using ModelCompression.Build.Worker;
using ModelCompression.Testing;

namespace ModelCompression.Build.Tests.Tasks;

/// <summary>The small parts that items and lines are read with.</summary>
[TestClass]
public sealed class ItemPartsTests
{
    [TestMethod]
    [DataRow("*", "anything", true)]
    [DataRow("*.onnx", "Models/A.ONNX", true)]
    [DataRow("m?.onnx", "m1.onnx", true)]
    [DataRow("m?.onnx", "m.onnx", false)]
    [DataRow("a*b*c", "a-b-b-c", true)]
    [DataRow("a*b*c", "a-b-c-d", false)]
    [DataRow("", "", true)]
    public void Wildcard_Matches_AsExpected(string pattern, string text, bool expected) => Assert.AreEqual(expected, Wildcard.Matches(pattern, text));

    [TestMethod]
    [DataRow("/a/b", "/a/b/c/d.onnx", "c/d.onnx")]
    [DataRow("/a/b", "/a/x/d.onnx", "../x/d.onnx")]
    [DataRow("/a/b", "/d.onnx", "../../d.onnx")]
    [DataRow("/a/b/", "/a/b", "../b")]
    public void Relative_OfPaths_UsesForwardSlashes(string directory, string path, string expected) => Assert.AreEqual(expected, PathText.Relative(directory, path));

    [TestMethod]
    [DataRow("a/./b//c.onnx", "a/b/c.onnx")]
    [DataRow("a/../b.onnx", "b.onnx")]
    [DataRow("../b.onnx", null)]
    [DataRow("a/../../b.onnx", null)]
    [DataRow("/b.onnx", null)]
    [DataRow("", null)]
    public void Contained_OfPaths_NeverLeavesTheFolder(string path, string? expected) => Assert.AreEqual(expected, PathText.Contained(path));

    [TestMethod]
    public void List_OfEscapedNames_SplitsOnlyAtRealSeparators()
    {
        CollectionAssert.AreEqual(new[] { "a;b.npz", "50% é.npz", "%zz" }, PathText.List("a%3Bb.npz; 50%25 é.npz ;;%zz").ToArray());
        Assert.AreEqual("a%3Bb%25%40%24%28x%29%27.npz", PathText.Escape("a;b%@$(x)'.npz"));
        Assert.AreEqual("a;b%@$(x)'.npz", PathText.Unescape(PathText.Escape("a;b%@$(x)'.npz")));
    }

    [TestMethod]
    public void Find_ItemsInAProject_GivesTheBestLine()
    {
        using var folder = new TemporaryFolder();
        string project = folder.Write("p.csproj", """
            <Project>
              <ItemGroup>
                <CompressModel Include="$(Models)" />
                <CompressModel Include="Models/**/*.onnx" />
                <None Include="Models/a.onnx" />
                <CompressModel
                  Include=".\Models\a.onnx;b%3B.onnx" />
              </ItemGroup>
            </Project>
            """);
        var locations = new ProjectLocations();
        Assert.AreEqual((6, 6), locations.Find(project, "CompressModel", "Models/a.onnx"));
        Assert.AreEqual((6, 6), locations.Find(project, "CompressModel", "b;.onnx"));
        Assert.AreEqual((4, 6), locations.Find(project, "CompressModel", "Models/deep/c.onnx"));
        Assert.AreEqual((3, 6), locations.Find(project, "CompressModel", "elsewhere/c.onnx"));
        Assert.AreEqual((0, 0), locations.Find(project + ".none", "CompressModel", "x"));
        Assert.AreEqual((0, 0), locations.Find(folder.Write("broken.csproj", "<Project><"), "CompressModel", "x"));
    }

    [TestMethod]
    public void Find_ItemsOfOneName_AreToldApartByTheirMetadata()
    {
        using var folder = new TemporaryFolder();
        string project = folder.Write("r.csproj", """
            <Project>
              <ItemGroup>
                <CompressModelRule Include="head" Nodes="/a" WeightBits="4" />
                <CompressModelRule Include="head" Nodes="/b"
                                   WeightBits="4" />
              </ItemGroup>
            </Project>
            """);
        var locations = new ProjectLocations();
        Assert.AreEqual((3, 6), locations.Find(project, "CompressModelRule", "head", new Dictionary<string, string> { ["Nodes"] = "/a", ["WeightBits"] = "4" }));
        Assert.AreEqual((4, 6), locations.Find(project, "CompressModelRule", "head", new Dictionary<string, string> { ["Nodes"] = "/b", ["WeightBits"] = "4" }));
    }

    [TestMethod]
    [DataRow("/p/a(1).csproj(12,5): error MCB2001: text: with (more)", "/p/a(1).csproj", 12, 5, "error", "MCB2001", "text: with (more)")]
    [DataRow("C:\\p\\m.onnx : warning MCB4001: text", "C:\\p\\m.onnx", 0, 0, "warning", "MCB4001", "text")]
    [DataRow("m.onnx(3): message MCB1: not a code", null, 0, 0, null, null, null)]
    [DataRow("error MCB9057: text", "", 0, 0, "error", "MCB9057", "text")]
    [DataRow("a.onnx: 1.24 MB -> 0.33 MB (-73.4 %), Top1 0.984 -> 0.983", null, 0, 0, null, null, null)]
    public void TryParse_Lines_AsCompilersWriteThem(string text, string? file, int line, int column, string? severity, string? code, string? message)
    {
        var parsed = CanonicalLine.TryParse(text);
        Assert.AreEqual((file, line, column, severity, code, message), (parsed?.File, parsed?.Line ?? 0, parsed?.Column ?? 0, parsed?.Severity, parsed?.Code, parsed?.Text));
    }

    [TestMethod]
    public void Find_HostCandidates_TakesTheFirstThatLeadsToAFile()
    {
        using var folder = new TemporaryFolder();
        string name = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        string host = folder.Write(name, "");
        Assert.AreEqual(host, DotNetHost.Find(null, "", folder.Combine("none"), host));
        Assert.AreEqual(host, DotNetHost.Find(folder.Path));
        Assert.IsNull(DotNetHost.Find("", folder.Combine("none")));
    }

    [TestMethod]
    public void MissingOn_Platforms_ListsWhatThePackageHas()
    {
        using var folder = new TemporaryFolder();
        Assert.IsNull(RuntimePlatform.MissingOn("linux-musl-x64", folder.Path));
        foreach (string platform in new[] { "win-x64", "linux-x64" }) folder.Write($"runtimes/{platform}/native/lib", "");
        folder.Write("runtimes/unix/lib/managed.dll", "");
        Assert.IsNull(RuntimePlatform.MissingOn("linux-x64", folder.Path));
        Assert.AreEqual("linux-x64, win-x64", RuntimePlatform.MissingOn("linux-musl-x64", folder.Path));
        Assert.Contains("-", RuntimePlatform.Current());
    }
}
