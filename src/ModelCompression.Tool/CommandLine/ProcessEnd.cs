using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ModelCompression.Tool.CommandLine;

/// <summary>The end of the process.</summary>
internal static partial class ProcessEnd
{
    /// <summary>
    /// Ends a native program at once where the system can: everything has been written and closed by now, and taking the native library apart piece by piece takes longer than starting it did.
    /// </summary>
    /// <returns>The exit code, where the process has to end in the ordinary way.</returns>
    public static int Now(int exitCode)
    {
        // With a runtime to stop, sockets and pipes for debuggers would stay among the temporary files.
        if (!OperatingSystem.IsLinux() || RuntimeFeature.IsDynamicCodeSupported) return exitCode;
        Console.Out.Flush();
        Console.Error.Flush();
        try
        {
            Exit(exitCode);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // Another C library under another name.
        }

        return exitCode;
    }

    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void Exit(int exitCode);
}
