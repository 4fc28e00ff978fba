namespace ModelCompression.Testing;

/// <summary>Absolute paths of the repository the tests were built from.</summary>
public static class RepositoryPaths
{
    private const string SolutionFile = "ModelCompression.Build.sln";
    private static readonly Lazy<string> LazyRoot = new(FindRoot);

    /// <summary>The folder of the solution file.</summary>
    public static string Root => LazyRoot.Value;

    /// <summary>The git-ignored folder for everything that is made.</summary>
    public static string Artifacts => Path.Combine(Root, "artifacts");

    /// <summary>Where <c>dotnet pack</c> puts the packages.</summary>
    public static string Packages => Path.Combine(Artifacts, "packages");

    /// <summary>The package source with ONNX Runtime; empty where a configured NuGet source has the package.</summary>
    public static string Feed => Path.Combine(Artifacts, "feed");

    /// <summary>Joins <see cref="Root"/> and the given parts.</summary>
    public static string Combine(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, SolutionFile)))
                return folder.FullName;
        }
        throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} contains {SolutionFile}.");
    }
}
