using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Runtime;

/// <summary>Starts ONNX Runtime once per process, silent and without telemetry.</summary>
public static partial class OrtEnvironment
{
    private const string TelemetrySwitch = "ORT_DISABLE_TELEMETRY";

    private static readonly Lazy<bool> Started = new(Start);
    private static readonly Lock Gate = new();
    private static bool isEnding;

    /// <summary>A process that ends while its native library is just being started, on another thread, does so with a segmentation fault: the end waits for the start, and none begins after it.</summary>
    static OrtEnvironment() => AppDomain.CurrentDomain.ProcessExit += (_, _) =>
    {
        lock (Gate) isEnding = true;
    };

    /// <summary>Loads the native library; worth calling early on another thread, since it takes tens of milliseconds.</summary>
    /// <exception cref="DiagnosticException">MCB9040: the native library is missing, damaged or another, or cannot be loaded.</exception>
    public static void EnsureStarted() => _ = Started.Value;

    /// <summary>
    /// Forbids telemetry to the native library: from its first moment, before any call can, the official build keeps a database in the user's home, logs in the folder for
    /// temporary files, and uploads. To be called before there are other threads, since the C library's environment is not made for writing beside readers.
    /// </summary>
    public static void ForbidTelemetry()
    {
        if (Environment.GetEnvironmentVariable(TelemetrySwitch) is not null) return;
        Environment.SetEnvironmentVariable(TelemetrySwitch, "1");
        // .NET keeps a copy of the environment of its own on these systems; native code never sees what is changed there.
        if (!OperatingSystem.IsWindows()) _ = SetNativeVariable(TelemetrySwitch, "1", 1);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetNativeVariable(string name, string value, int overwrite);

    private static bool Start()
    {
        lock (Gate) return !isEnding && StartNow();
    }

    private static bool StartNow()
    {
        try
        {
            ForbidTelemetry();
            OrtLibrary.Check();
            if (!OrtEnv.IsCreated)
            {
                // Below Fatal, ONNX Runtime writes each failure to standard error before it returns it: the user would read it twice.
                var options = new EnvironmentCreationOptions { logId = "modelcompression", logLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
                OrtEnv.CreateInstanceWithOptions(ref options);
            }

            OrtEnv.Instance().DisableTelemetryEvents();
            return true;
        }
        catch (Exception e) when (Innermost(e) is DllNotFoundException or BadImageFormatException or EntryPointNotFoundException)
        {
            throw OrtLibrary.Error($"cannot be loaded ({Reason(Innermost(e).Message)})", e);
        }
    }

    private static Exception Innermost(Exception e) => e.InnerException is { } inner ? Innermost(inner) : e;

    /// <summary>What the system's loader says, without .NET's advice how to make it say more.</summary>
    private static string Reason(string message)
    {
        const string advice = "environment variable:";
        int end = message.IndexOf(advice, StringComparison.Ordinal);
        return RuntimeError.OneLine(end < 0 ? message : message[(end + advice.Length)..]);
    }
}
