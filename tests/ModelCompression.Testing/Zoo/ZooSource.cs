namespace ModelCompression.Testing.Zoo;

/// <summary>A published archive from which a folder of the zoo is made.</summary>
/// <param name="Name">The folder's name.</param>
/// <param name="Sha256">Pinned hash of the archive, in lower-case hexadecimal digits.</param>
internal abstract record ZooSource(string Name, string Sha256)
{
    /// <summary>What the archive is called in messages.</summary>
    public abstract string Description { get; }

    /// <summary>Fetches the archive into an empty folder and returns its path.</summary>
    /// <exception cref="ModelUnavailableException">It cannot be had on this machine.</exception>
    public abstract string Fetch(string folder);

    /// <summary>Unpacks the wanted part of the verified archive into an empty folder.</summary>
    public abstract void Extract(string archive, string folder);

    /// <summary>Runs a program that must succeed.</summary>
    protected void Run(string folder, string fileName, params string[] arguments)
    {
        var result = ExternalCommand.Run(fileName, arguments, folder);
        if (result.ExitCode != 0)
            throw new ModelUnavailableException($"{Description} is not available: '{fileName} {string.Join(' ', arguments)}' ended with code {result.ExitCode}: {result.Output.Trim()}");
    }
}
