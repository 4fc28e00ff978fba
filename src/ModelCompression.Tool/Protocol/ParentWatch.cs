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
    public static void Start(int processId, Action cancel, Action sweep)
    {
        if (processId <= 0) return;
        var thread = new Thread(() => Watch(processId, cancel, sweep)) { IsBackground = true, Name = "parent watch" };
        thread.Start();
    }

    private static void Watch(int processId, Action cancel, Action sweep)
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

        cancel();
        Thread.Sleep(Grace);
        sweep();
        using var self = Process.GetCurrentProcess();
        self.Kill();
    }
}
