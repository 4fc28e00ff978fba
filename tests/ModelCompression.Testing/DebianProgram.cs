using System.Collections.Concurrent;

namespace ModelCompression.Testing;

/// <summary>
/// Programs that some tests talk to: taken from the machine, or unpacked from their Debian package without installing anything. Where neither works the calling test
/// is inconclusive; with the environment variable <c>CI=true</c> it fails.
/// </summary>
public static class DebianProgram
{
    private static readonly ConcurrentDictionary<string, Lazy<string>> Found = new(StringComparer.Ordinal);

    /// <summary>Path of a program.</summary>
    /// <param name="program">Its file name.</param>
    /// <param name="package">The Debian package that has it.</param>
    public static string Path(string program, string package) => Found.GetOrAdd(program, _ => new(() => Find(program, package))).Value;

    private static string Find(string program, string package)
    {
        foreach (string folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(System.IO.Path.PathSeparator).Append("/usr/sbin"))
            if (File.Exists(System.IO.Path.Combine(folder, program))) return System.IO.Path.Combine(folder, program);
        string unpacked = System.IO.Path.Combine(RepositoryPaths.Artifacts, "programs", package);
        if (!Directory.Exists(unpacked)) Unpack(package, unpacked);
        return Directory.EnumerateFiles(unpacked, program, SearchOption.AllDirectories).FirstOrDefault(f => new FileInfo(f).Length > 0) ?? throw Missing(program, $"package {package} does not contain it");
    }

    private static void Unpack(string package, string folder)
    {
        using var work = new TemporaryFolder();
        // The sandbox user of apt cannot write to folders of the current user; a fresh container has no package lists.
        string[] download = ["-qq", "-o", "APT::Sandbox::User=root", "download", package];
        var result = ExternalCommand.Run("apt-get", download, work.Path);
        if (result.ExitCode != 0)
        {
            _ = ExternalCommand.Run("apt-get", ["-qq", "update"], work.Path);
            result = ExternalCommand.Run("apt-get", download, work.Path);
        }

        if (result.ExitCode != 0) throw Missing(package, result.Output.Trim());
        string content = $"{folder}-{Guid.NewGuid():N}";
        Directory.CreateDirectory(content);
        result = ExternalCommand.Run("dpkg-deb", ["-x", Directory.GetFiles(work.Path, "*.deb").Single(), content], work.Path);
        if (result.ExitCode != 0) throw Missing(package, result.Output.Trim());
        if (!Directory.Exists(folder)) Directory.Move(content, folder);
    }

    private static Exception Missing(string name, string reason)
    {
        string message = $"{name} is not available: {reason}";
        return Environment.GetEnvironmentVariable("CI") == "true" ? new AssertFailedException(message) : new AssertInconclusiveException(message);
    }
}
