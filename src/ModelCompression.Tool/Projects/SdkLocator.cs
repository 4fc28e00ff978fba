using Microsoft.Build.Locator;
using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Tool.Projects;

/// <summary>Makes MSBuild's assemblies come from the installed SDK.</summary>
internal static class SdkLocator
{
    /// <summary>Chooses the SDK that <c>dotnet build</c> in <paramref name="folder"/> would use. To be called before any method that mentions a type of MSBuild.</summary>
    /// <exception cref="DiagnosticException">MCB9059: there is no SDK.</exception>
    public static void Register(string folder)
    {
        if (MSBuildLocator.IsRegistered) return;
        var found = MSBuildLocator.QueryVisualStudioInstances(new VisualStudioInstanceQueryOptions { DiscoveryTypes = DiscoveryType.DotNetSdk, WorkingDirectory = folder }).FirstOrDefault()
            ?? throw new DiagnosticException("MCB9059", "No .NET SDK was found; projects can be evaluated only where 'dotnet build' works. Install the SDK that the project needs.");
        MSBuildLocator.RegisterInstance(found);
    }
}
