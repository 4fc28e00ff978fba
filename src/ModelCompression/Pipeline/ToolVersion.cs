using System.Reflection;

namespace ModelCompression.Pipeline;

/// <summary>Version of this library as it appears in provenance, reports and cache keys.</summary>
public static class ToolVersion
{
    /// <summary>Semantic version without build metadata.</summary>
    public static string Current { get; } = Read();

    private static string Read()
    {
        string version = typeof(ToolVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
        int plus = version.IndexOf('+', StringComparison.Ordinal);
        return plus < 0 ? version : version[..plus];
    }
}
