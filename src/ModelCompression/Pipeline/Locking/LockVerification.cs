using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Pipeline.Locking;

/// <summary>One file that was compared with a lock file.</summary>
/// <param name="Project">The project, as the lock file names it.</param>
/// <param name="File">Path of the file: relative to the verified folder for results, to the lock file otherwise.</param>
/// <param name="Kind"><c>result</c>, <c>source</c> or <c>data</c>.</param>
/// <param name="Passed">True if it has the locked content.</param>
/// <param name="Problem">What is wrong; empty when passed.</param>
public sealed record LockCheck(string Project, string File, string Kind, bool Passed, string Problem);

/// <summary>Compares files with a lock file without compressing anything.</summary>
public static class LockVerification
{
    /// <summary>Compares the results in a published folder.</summary>
    /// <param name="lockPath">Full path of the lock file.</param>
    /// <param name="folder">Full path of the folder.</param>
    /// <exception cref="DiagnosticException">MCB5012: the lock file cannot be read. MCB5013: there is none.</exception>
    public static IReadOnlyList<LockCheck> CheckResults(string lockPath, string folder) => [.. Models(lockPath).SelectMany(m => Results(m.Project, m.Model, folder, ""))];

    /// <summary>
    /// Compares the sources and data beside the lock file, and every copy of a result in the projects' <c>bin</c> folders: with nothing but a lock file at hand, that is
    /// what it speaks of. Data outside the project folder is known by its name only and is not compared.
    /// </summary>
    /// <exception cref="DiagnosticException">As above.</exception>
    public static IReadOnlyList<LockCheck> CheckProjects(string lockPath)
    {
        var checks = new List<LockCheck>();
        foreach (var (project, model) in Models(lockPath))
        {
            string root = Path.GetDirectoryName(lockPath)!, folder = Path.GetDirectoryName(Path.GetFullPath(Path.Combine(root, project)))!;
            string sourceFolder = Path.GetDirectoryName(Path.Combine(folder, model.Source.Path))!;
            checks.Add(Check(project, "source", Path.Combine(folder, model.Source.Path), model.Source.Sha256, root));
            foreach (var (name, sha256) in model.External ?? []) checks.Add(Check(project, "source", Path.Combine(sourceFolder, name), sha256, root));
            foreach (var (name, sha256) in model.Data?.Values.SelectMany(files => files) ?? [])
                if (File.Exists(Path.Combine(folder, name)) || name.Contains('/', StringComparison.Ordinal)) checks.Add(Check(project, "data", Path.Combine(folder, name), sha256, root));
            foreach (string copy in Copies(Path.Combine(folder, "bin"), model.Output.Path)) checks.AddRange(Results(project, model, copy, Path.GetRelativePath(root, copy)));
        }

        return checks;
    }

    private static IEnumerable<(string Project, LockedModel Model)> Models(string lockPath)
    {
        if (!File.Exists(lockPath)) throw new DiagnosticException(Diagnostic.Error("MCB5013", "There is no such lock file. Set ModelCompressionLockFile and build, or correct the path.") with { File = lockPath });
        return LockFile.Read(lockPath).Projects.SelectMany(p => p.Value.Values.Select(m => (p.Key, m)));
    }

    private static IEnumerable<LockCheck> Results(string project, LockedModel model, string folder, string shownFolder)
    {
        string resultFolder = Path.GetDirectoryName(model.Output.Path) ?? "";
        IEnumerable<(string Name, string Sha256)> files = [(model.Output.Path, model.Output.Sha256), .. (model.Files ?? []).Select(f => (Path.Combine(resultFolder, f.Key), f.Value))];
        foreach (var (name, sha256) in files)
            yield return Check(project, "result", Path.Combine(folder, name), sha256, folder) with { File = Path.Combine(shownFolder, name).Replace('\\', '/') };
    }

    /// <summary>Output folders of a project that contain a result.</summary>
    private static IEnumerable<string> Copies(string bin, string target)
    {
        if (!Directory.Exists(bin)) return [];
        string suffix = Path.DirectorySeparatorChar + target.Replace('/', Path.DirectorySeparatorChar);
        return Directory.EnumerateFiles(bin, Path.GetFileName(target), SearchOption.AllDirectories).Where(f => f.EndsWith(suffix, StringComparison.Ordinal)).Select(f => f[..^suffix.Length]).Order(StringComparer.Ordinal);
    }

    private static LockCheck Check(string project, string kind, string path, string sha256, string root)
    {
        string problem = !File.Exists(path) ? "it is missing" : FileDigest.Sha256(path) is var found && found != sha256 ? $"its SHA-256 is {found}, locked is {sha256}" : "";
        return new(project, Path.GetRelativePath(root, path).Replace('\\', '/'), kind, problem.Length == 0, problem);
    }
}
