using System;
using System.Collections.Concurrent;
using System.IO;
using System.Runtime.InteropServices;

namespace ModelCompression.Build.Worker;

/// <summary>
/// The worker as a native program, which packages hold for some platforms beside the library it needs. It does what the portable worker does, in less time;
/// where it does not start (an older C library, another processor, files that may not be executed) the portable one takes its place.
/// </summary>
internal static class NativeProgram
{
    private const int ExecutePermission = 1;

    private static readonly ConcurrentDictionary<string, bool> s_useless = new(StringComparer.Ordinal);

    /// <summary>The program for this machine, or null.</summary>
    /// <param name="workerPath">The portable worker.</param>
    public static string? Find(string workerPath)
    {
        var name = Path.GetFileNameWithoutExtension(workerPath) + (Path.DirectorySeparatorChar == '\\' ? ".exe" : "");
        var program = Path.Combine(Path.GetDirectoryName(workerPath)!, "runtimes", RuntimePlatform.Current(), "native", name);
        return File.Exists(program) && !s_useless.ContainsKey(program) && MayExecute(program) ? program : null;
    }

    /// <summary>Remembers, as long as this process lives, that a program does not start here.</summary>
    public static void Forget(string program) => s_useless[program] = true;

    /// <summary>NuGet lets only the owner of the packages folder execute what it unpacked.</summary>
    private static bool MayExecute(string program)
    {
        if (Path.DirectorySeparatorChar == '\\') return true;
        try
        {
            return Access(program, ExecutePermission) == 0;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    [DllImport("libc", EntryPoint = "access", CharSet = CharSet.Ansi)]
    private static extern int Access(string path, int mode);
}
