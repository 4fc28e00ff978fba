using Microsoft.ML.OnnxRuntime;
using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Runtime;

/// <summary>Recognises failures that neither the model nor a defect causes but the machine: too little memory.</summary>
public static class EnvironmentError
{
    /// <summary>Numbers that systems give to a lack of memory: errno of Linux and macOS, and Windows' two.</summary>
    private const int NoMemory = 12, NotEnoughMemory = unchecked((int)0x80070008), CommitmentLimit = unchecked((int)0x800705AF);

    /// <summary>What ONNX Runtime's message has in it. No regular expression: it would load an assembly, for which there is no memory now.</summary>
    private static readonly string[] FailedAllocations = ["bad_alloc", "bad allocation", "Failed to allocate memory", "Cannot allocate memory", "out of memory"];

    /// <summary>MCB9010 if a lack of memory is behind a failure, however it is wrapped; else null.</summary>
    public static Diagnostic? Of(Exception failure)
    {
        if (Causes(failure).FirstOrDefault(IsLackOfMemory) is not { } cause) return null;
        string wanted = RequestedBytes(cause.Message) is { Length: > 0 } bytes ? $" for {bytes} bytes at once" : "";
        return Diagnostic.Error("MCB9010", $"There is not enough memory for this model{wanted}. Free memory or raise the limit of this process or container; compress fewer models at once, with fewer threads, CalibrationSamples or TrainingData; or use a machine with more memory.");
    }

    /// <summary>What to tell the user: a lack of memory, if that is behind it, else what the exception says.</summary>
    internal static Diagnostic OrElse(DiagnosticException failure) => Of(failure) ?? failure.Diagnostic;

    private static IEnumerable<Exception> Causes(Exception failure)
    {
        yield return failure;
        IEnumerable<Exception> inner = failure is AggregateException several ? several.InnerExceptions : failure.InnerException is { } one ? [one] : [];
        foreach (var cause in inner.SelectMany(Causes)) yield return cause;
    }

    private static bool IsLackOfMemory(Exception e) => e switch
    {
        OutOfMemoryException => true,
        IOException { HResult: NoMemory } => !OperatingSystem.IsWindows(),
        IOException { HResult: NotEnoughMemory or CommitmentLimit } => true,
        OnnxRuntimeException => FailedAllocations.Any(f => e.Message.Contains(f, StringComparison.OrdinalIgnoreCase)),
        _ => false,
    };

    private static string RequestedBytes(string message)
    {
        const string introduction = "requested buffer of size ";
        int start = message.IndexOf(introduction, StringComparison.Ordinal) + introduction.Length;
        return start < introduction.Length ? "" : new string([.. message.Skip(start).TakeWhile(char.IsAsciiDigit)]);
    }
}
