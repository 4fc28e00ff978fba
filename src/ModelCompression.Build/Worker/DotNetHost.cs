using System;
using System.IO;

namespace ModelCompression.Build.Worker;

/// <summary>Finds the <c>dotnet</c> that runs the worker.</summary>
internal static class DotNetHost
{
    /// <summary>The first candidate that is a file. People point <c>DOTNET_HOST_PATH</c> at a folder, so a folder that contains the host counts too.</summary>
    /// <param name="candidates">Values of <c>DOTNET_HOST_PATH</c>, <c>NetCoreRoot</c> and the like; empty ones are skipped.</param>
    /// <returns>An absolute path, or null.</returns>
    public static string? Find(params string?[] candidates)
    {
        var fileName = Path.DirectorySeparatorChar == '\\' ? "dotnet.exe" : "dotnet";
        foreach (var candidate in candidates)
        {
            if (string.IsNullOrWhiteSpace(candidate)) continue;
            if (File.Exists(candidate)) return Path.GetFullPath(candidate);
            var inside = Path.Combine(candidate, fileName);
            if (File.Exists(inside)) return Path.GetFullPath(inside);
        }
        return null;
    }

    /// <summary>The override for the worker from the environment, for machines whose projects cannot be edited.</summary>
    public static string? WorkerFromEnvironment() => Environment.GetEnvironmentVariable("MODELCOMPRESSION_WORKER_PATH");
}
