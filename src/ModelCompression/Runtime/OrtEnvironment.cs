using Microsoft.ML.OnnxRuntime;
using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Runtime;

/// <summary>Starts ONNX Runtime once per process, silent and without telemetry.</summary>
public static class OrtEnvironment
{
    private static readonly Lazy<bool> Started = new(Start);

    /// <summary>Loads the native library; worth calling early on another thread, since it takes tens of milliseconds.</summary>
    /// <exception cref="DiagnosticException">MCB9040: the native library cannot be loaded.</exception>
    public static void EnsureStarted() => _ = Started.Value;

    private static bool Start()
    {
        try
        {
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
            throw new DiagnosticException(
                "MCB9040",
                $"ONNX Runtime's native library cannot be loaded ({RuntimeError.OneLine(Innermost(e).Message)}). Expected runtimes/<rid>/native/ beside the tool for this operating system and processor; reinstall the package.",
                e);
        }
    }

    private static Exception Innermost(Exception e) => e.InnerException is { } inner ? Innermost(inner) : e;
}
