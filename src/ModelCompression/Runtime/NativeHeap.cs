using System.Runtime.InteropServices;

namespace ModelCompression.Runtime;

/// <summary>Memory of native libraries.</summary>
internal static partial class NativeHeap
{
    /// <summary>
    /// Gives freed native memory back to the system where the C library keeps it otherwise (glibc, one heap per thread): a closed session would count against the
    /// next one, which is opened on another thread. Does nothing elsewhere.
    /// </summary>
    public static void Trim()
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = MallocTrim(0);
        }
        catch (Exception e) when (e is EntryPointNotFoundException or DllNotFoundException)
        {
            // Another C library, such as musl, has no such function and no such habit.
        }
    }

    [LibraryImport("libc.so.6", EntryPoint = "malloc_trim")]
    private static partial int MallocTrim(nuint pad);
}
