using ModelCompression.Onnx.Graph;

namespace ModelCompression.Pipeline;

/// <summary>Names the program that makes results: two builds of one version that differ in their code have different identities.</summary>
internal static class ToolIdentity
{
    /// <summary>Version, and the module versions of the assemblies that decide about bytes; a deterministic compiler derives these from the code.</summary>
    public static string Current { get; } = $"{ToolVersion.Current} {typeof(ToolIdentity).Module.ModuleVersionId:N} {typeof(Model).Module.ModuleVersionId:N}";
}
