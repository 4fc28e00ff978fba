namespace ModelCompression.Testing.Zoo;

/// <summary>A folder of a Debian package; nothing is installed.</summary>
/// <param name="Name">The folder's name.</param>
/// <param name="Package">The package's name.</param>
/// <param name="Sha256">Pinned hash of the package file.</param>
/// <param name="Folder">The folder in the package that becomes the zoo's folder.</param>
internal sealed record DebianSource(string Name, string Package, string Sha256, string Folder) : ZooSource(Name, Sha256)
{
    public override string Description => $"Debian package {Package}";

    public override string Fetch(string folder)
    {
        // The sandbox user of apt cannot write to folders of the current user.
        string[] download = ["-qq", "-o", "APT::Sandbox::User=root", "download", Package];
        if (ExternalCommand.Run("apt-get", download, folder).ExitCode != 0)
        {
            // A fresh container has no package lists; fetching them needs root, and the second attempt tells when that failed.
            _ = ExternalCommand.Run("apt-get", ["-qq", "update"], folder);
            Run(folder, "apt-get", download);
        }
        return Directory.GetFiles(folder, "*.deb").Single();
    }

    public override void Extract(string archive, string folder)
    {
        var everything = Path.Combine(Path.GetDirectoryName(archive)!, "extracted");
        Run(Path.GetDirectoryName(archive)!, "dpkg-deb", "-x", archive, everything);
        Directory.Delete(folder);
        Directory.Move(Path.Combine(everything, Folder), folder);
    }
}
