using System.Diagnostics;

namespace ModelCompression.Tool.Protocol;

/// <summary>Ends this process when the build that started it dies: a killed build cannot tell anybody.</summary>
internal static class ParentWatch
{
    /// <summary>Time for a running model to notice the cancellation.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);

    /// <summary>Watches from a background thread.</summary>
    /// <param name="processId">The parent, or 0 for none.</param>
    /// <param name="cancel">Asks the work to stop.</param>
    /// <param name="sweep">Removes unfinished files when the work does not stop in time.</param>
    public static void Start(int processId, Action cancel, Action sweep) => Start(processId, cancel, sweep, Grace, EndThisProcess);

    /// <summary>Watches with another grace and another end.</summary>
    internal static void Start(int processId, Action cancel, Action sweep, TimeSpan grace, Action end)
    {
        if (processId <= 0) return;
        var thread = new Thread(() =>
        {
            WaitForEnd(processId);
            cancel();
            Thread.Sleep(grace);
            sweep();
            end();
        })
        { IsBackground = true, Name = "parent watch" };
        thread.Start();
    }

    private static void WaitForEnd(int processId)
    {
        try
        {
            using var parent = Process.GetProcessById(processId);
            parent.WaitForExit();
        }
        catch (ArgumentException)
        {
            // It is gone already.
        }
    }

    /// <summary>Native code may be running that no orderly exit would wait out.</summary>
    private static void EndThisProcess()
    {
        using var self = Process.GetCurrentProcess();
        self.Kill();
    }
}
