namespace ModelCompression.Onnx.Diagnostics;

/// <summary>How serious a <see cref="Diagnostic"/> is.</summary>
public enum DiagnosticSeverity
{
    /// <summary>Worth knowing, changes nothing.</summary>
    Message,

    /// <summary>The result is usable but not what the user may expect.</summary>
    Warning,

    /// <summary>There is no result.</summary>
    Error,
}

/// <summary>A coded statement about a user's model, data or settings. Codes have a page under docs/diagnostics.</summary>
/// <param name="Code"><c>MCB1xxx</c> settings, <c>MCB2xxx</c> model, <c>MCB3xxx</c> data, <c>MCB4xxx</c> compression, <c>MCB5xxx</c> gates, <c>MCB9xxx</c> environment.</param>
/// <param name="Severity">How serious it is.</param>
/// <param name="Message">What is wrong, what was expected and found, and the next step; one line, without a path prefix.</param>
public sealed record Diagnostic(string Code, DiagnosticSeverity Severity, string Message)
{
    /// <summary>The file it is about, or null for the model that is being worked on.</summary>
    public string? File { get; init; }

    /// <summary>One-based line in <see cref="File"/>, or 0.</summary>
    public int Line { get; init; }

    /// <summary>One-based column in <see cref="File"/>, or 0.</summary>
    public int Column { get; init; }

    /// <summary>Makes an error.</summary>
    public static Diagnostic Error(string code, string message) => new(code, DiagnosticSeverity.Error, message);

    /// <summary>Makes a warning.</summary>
    public static Diagnostic Warning(string code, string message) => new(code, DiagnosticSeverity.Warning, message);

    /// <summary>Makes a message.</summary>
    public static Diagnostic Note(string code, string message) => new(code, DiagnosticSeverity.Message, message);
}
