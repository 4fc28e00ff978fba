using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Data;

/// <summary>Errors about the user's data (<c>MCB3001</c> to <c>MCB3049</c>); each names the file, what was expected and what was found.</summary>
internal static class DataError
{
    /// <summary>Makes an error about <paramref name="file"/>.</summary>
    public static DiagnosticException Of(string file, string code, string message, Exception? inner = null) =>
        new(Diagnostic.Error(code, message) with { File = file }, inner);

    /// <summary>MCB3003: the file is damaged, cut short or not what its name says.</summary>
    public static DiagnosticException Damaged(string file, string what, Exception? inner = null) =>
        Of(file, "MCB3003", $"The data cannot be read: {what}. Write or copy the file again.", inner);
}
