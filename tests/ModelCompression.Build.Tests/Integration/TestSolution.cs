using ModelCompression.Testing;

namespace ModelCompression.Build.Tests.Integration;

/// <summary>A folder outside the repository with projects that use the package, cut off from every setting around it.</summary>
public sealed class TestSolution : IDisposable
{
    private readonly TemporaryFolder _folder = new("mcb-build-");
    private int _builds;

    public TestSolution()
    {
        Write("NuGet.Config", $"""
            <configuration>
              <packageSources><clear /><add key="tests" value="{TestPackage.Feed}" /></packageSources>
              <config><add key="globalPackagesFolder" value="{TestPackage.Unpacked}" /></config>
            </configuration>
            """);
        Write("Directory.Build.props", "<Project />");
        Write("Directory.Build.targets", """
            <Project>
              <Import Project="NoCompiler.targets" Condition="'$(UseCompiler)' != 'true'" />
              <Import Project="More.targets" Condition="Exists('$(MSBuildThisFileDirectory)More.targets')" />
            </Project>
            """);
        // Most tests are about models, and the compiler is what takes the time: any assembly will do.
        Write("NoCompiler.targets", $"""
            <Project>
              <PropertyGroup><ProduceReferenceAssembly>false</ProduceReferenceAssembly></PropertyGroup>
              <Target Name="CoreCompile" Inputs="$(MSBuildProjectFullPath)" Outputs="@(IntermediateAssembly)">
                <Copy SourceFiles="{typeof(FindStaleModels).Assembly.Location}" DestinationFiles="@(IntermediateAssembly)" />
                <Touch Files="@(IntermediateAssembly);@(_DebugSymbolsIntermediatePath)" AlwaysCreate="true" />
              </Target>
            </Project>
            """);
    }

    public string Folder => _folder.Path;

    /// <summary>Lines the fake worker wrote, one per launch (and per hang).</summary>
    public IReadOnlyList<string> WorkerLog => File.Exists(WorkerLogPath) ? File.ReadAllLines(WorkerLogPath) : [];

    private string WorkerLogPath => Path.Combine(Folder, "worker.log");

    /// <summary>Writes a project and a program for it.</summary>
    /// <param name="name">Folder and project name.</param>
    /// <param name="items">Content of its item group.</param>
    /// <param name="properties">More properties.</param>
    /// <param name="framework">The framework element.</param>
    public void WriteProject(string name, string items, string properties = "", string framework = "<TargetFramework>net10.0</TargetFramework>", string privateAssets = "PrivateAssets=\"all\"")
    {
        Write($"{name}/{name}.csproj", $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                {framework}
                <UseAppHost>false</UseAppHost>
                <GenerateDocumentationFile>false</GenerateDocumentationFile>
                {properties}
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="ModelCompression.Build" Version="{TestPackage.Version}" {privateAssets} />
                {items}
              </ItemGroup>
            </Project>
            """);
        if (!File.Exists(PathOf($"{name}/Code.cs"))) Write($"{name}/Code.cs", "namespace N; public static class Code { public static void Main() => System.Console.WriteLine(\"ran\"); }");
    }

    /// <summary>Adds targets to every project.</summary>
    public void AddTargets(string xml) => Write("More.targets", $"<Project>{xml}</Project>");

    /// <summary>Replaces text in a file.</summary>
    public void Edit(string relativePath, string from, string to)
    {
        string text = File.ReadAllText(PathOf(relativePath));
        Assert.Contains(from, text);
        File.WriteAllText(PathOf(relativePath), text.Replace(from, to, StringComparison.Ordinal));
    }

    /// <summary>Writes a text file.</summary>
    public string Write(string relativePath, string text) => _folder.Write(relativePath, text);

    /// <summary>Writes a model; the fake worker takes any bytes.</summary>
    public void WriteModel(string relativePath, string content = "a model that is long enough to be worth compressing") => Write(relativePath, content);

    /// <summary>Absolute path of something in the solution.</summary>
    public string PathOf(string relativePath) => Path.Combine(Folder, relativePath);

    public bool Has(string relativePath) => File.Exists(PathOf(relativePath));

    public string Read(string relativePath) => File.ReadAllText(PathOf(relativePath));

    /// <summary>True if the file was made by the fake worker.</summary>
    public bool IsCompressed(string relativePath) => Has(relativePath) && Read(relativePath).StartsWith("compressed ", StringComparison.Ordinal);

    /// <summary>Runs <c>dotnet build</c>; the build must succeed.</summary>
    public TestBuild Build(string project, params string[] arguments) => Run(["build", project, .. arguments]).Succeeded();

    /// <summary>Runs a command of <c>dotnet</c> on a project.</summary>
    public TestBuild Run(params string[] arguments)
    {
        string log = PathOf($"build{++_builds}.binlog");
        int before = WorkerLog.Count;
        var command = ExternalCommand.Run("dotnet", [.. arguments, "-nologo", "-tl:off", "-nodeReuse:false", "-p:UseSharedCompilation=false", $"-bl:{log}"], Folder, TestEnvironment(), TimeSpan.FromMinutes(2));
        return new TestBuild(command.ExitCode, command.Output, log, [.. WorkerLog.Skip(before)]);
    }

    /// <summary>Variables of a build: nothing inherited that changes builds.</summary>
    public Dictionary<string, string?> TestEnvironment()
    {
        var environment = new Dictionary<string, string?> { ["FAKE_WORKER_LOG"] = WorkerLogPath, ["DOTNET_CLI_UI_LANGUAGE"] = "en", ["DOTNET_NOLOGO"] = "1", ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1" };
        foreach (string name in Environment.GetEnvironmentVariables().Keys)
            if (name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase) || name.StartsWith("MODELCOMPRESSION", StringComparison.OrdinalIgnoreCase) || name is "CI" or "NUGET_PACKAGES" or "DOTNET_CLI_USE_MSBUILD_SERVER")
                environment[name] = null;
        environment["MSBUILDDISABLENODEREUSE"] = "1";
        return environment;
    }

    public void Dispose() => _folder.Dispose();
}
