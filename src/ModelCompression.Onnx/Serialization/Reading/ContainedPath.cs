namespace ModelCompression.Onnx.Serialization.Reading;

/// <summary>Resolves relative locations without leaving a folder, neither by <c>..</c> nor by a link.</summary>
internal static class ContainedPath
{
    /// <summary>Enough for every honest path; a chain of links longer than this is a loop.</summary>
    private const int MaxLinks = 40;

    /// <summary>Finds the file that <paramref name="location"/> names.</summary>
    /// <param name="folder">Full path of the folder.</param>
    /// <param name="location">Relative path, with forward slashes (or the platform's).</param>
    /// <param name="path">Full path, links resolved; it need not exist.</param>
    /// <returns>False when the location is absolute, malformed or leads outside.</returns>
    /// <exception cref="IOException">A link cannot be read.</exception>
    public static bool TryResolve(string folder, string location, out string path)
    {
        path = "";
        if (location.Contains('\0', StringComparison.Ordinal) || Path.IsPathRooted(location) || HasDrive(location)) return false;
        string named = Path.GetFullPath(Path.Combine(folder, location));
        if (!IsInside(Path.GetFullPath(folder), named)) return false;
        int links = 0;
        path = RealPath(named, ref links);
        return IsInside(RealPath(folder, ref links), path);
    }

    /// <summary>The path with every link in it resolved.</summary>
    public static string RealPath(string path)
    {
        int links = 0;
        return RealPath(path, ref links);
    }

    private static string RealPath(string path, ref int links)
    {
        string full = Path.GetFullPath(path);
        string real = Path.GetPathRoot(full)!;
        foreach (string part in full[real.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries))
        {
            string next = Path.Combine(real, part);
            if (new FileInfo(next).LinkTarget is { } target)
            {
                if (++links > MaxLinks) throw new IOException($"Too many links on the way to '{path}'.");
                next = RealPath(Path.Combine(real, target), ref links);
            }

            real = next;
        }

        return real;
    }

    /// <summary>A Windows drive is absolute on Windows and never meant as a file name elsewhere.</summary>
    private static bool HasDrive(string location) => location.Length >= 2 && location[1] == ':' && char.IsAsciiLetter(location[0]);

    private static bool IsInside(string folder, string path)
    {
        string prefix = Path.EndsInDirectorySeparator(folder) ? folder : folder + Path.DirectorySeparatorChar;
        return path.StartsWith(prefix, OperatingSystem.IsWindows() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal);
    }
}
