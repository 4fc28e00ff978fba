using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;

namespace ModelCompression.Build.Worker;

/// <summary>Which native library the worker needs on this machine, and whether the package has it.</summary>
internal static class RuntimePlatform
{
    /// <summary>The runtime identifier of this machine, such as <c>linux-musl-x64</c>.</summary>
    public static string Current()
    {
        var system = RuntimeInformation.IsOSPlatform(OSPlatform.Windows) ? "win" : RuntimeInformation.IsOSPlatform(OSPlatform.OSX) ? "osx" : IsMusl() ? "linux-musl" : "linux";
        // An emulated host (x64 on ARM64) runs the worker emulated too, hence the process and not the machine.
        return system + "-" + RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
    }

    /// <summary>Null when <paramref name="workerDirectory"/> has native libraries for <paramref name="platform"/> or names no platform at all; else what it has.</summary>
    public static string? MissingOn(string platform, string workerDirectory)
    {
        var runtimes = Path.Combine(workerDirectory, "runtimes");
        if (!Directory.Exists(runtimes)) return null;
        var supported = new List<string>();
        foreach (var folder in Directory.GetDirectories(runtimes))
            if (Directory.Exists(Path.Combine(folder, "native"))) supported.Add(Path.GetFileName(folder));
        supported.Sort(StringComparer.Ordinal);
        return supported.Count == 0 || supported.Contains(platform) || IsUniversalMac(platform, supported) ? null : string.Join(", ", supported);
    }

    private static bool IsUniversalMac(string platform, List<string> supported) =>
        platform.StartsWith("osx-", StringComparison.Ordinal) && supported.Contains("osx");

    /// <summary>Musl has its loader at a well-known place, and the .NET that runs there says so in its own identifier.</summary>
    private static bool IsMusl() =>
        AppContext.GetData("RUNTIME_IDENTIFIER") is string identifier
            ? identifier.Contains("musl") || identifier.StartsWith("alpine", StringComparison.Ordinal)
            : Directory.Exists("/lib") && Directory.GetFiles("/lib", "ld-musl-*").Length > 0;
}
