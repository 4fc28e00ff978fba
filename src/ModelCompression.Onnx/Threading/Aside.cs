using System.Runtime.InteropServices;

namespace ModelCompression.Onnx.Threading;

/// <summary>Work that nobody waits for yet, on a thread of its own that gives way to others.</summary>
/// <remarks>Whoever works with as many threads as there are cores waits for the slowest of them: a thread more, as important as they, would cost its time several times over.</remarks>
public static partial class Aside
{
    /// <summary>A third of an ordinary thread's share: other processes may keep all cores busy, and in the end somebody waits for this work.</summary>
    private const int Niceness = 5;

    /// <summary>Starts the work.</summary>
    public static Task<T> Run<T>(Func<T> work)
    {
        var done = new TaskCompletionSource<T>();
        var thread = new Thread(() =>
        {
            GiveWay();
            try
            {
                done.SetResult(work());
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        })
        { IsBackground = true, Priority = ThreadPriority.BelowNormal };
        thread.Start();
        return done.Task;
    }

    /// <summary>On Linux, .NET leaves a thread's priority as it is, and a nice value is the calling thread's own; elsewhere it is the whole process's.</summary>
    private static void GiveWay()
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            // A hint: when the system declines, the thread is as important as the others.
            _ = SetPriority(0, 0, Niceness);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // So it is with a C library that has another name or no such function.
        }
    }

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int kind, uint thread, int niceness);
}
