namespace ModelCompression.Onnx.Diagnostics;

/// <summary>Carries one coded diagnostic up to the command that reports it. Thrown for bad input only, never for our own defects.</summary>
public sealed class DiagnosticException : Exception
{
    /// <summary>Wraps <paramref name="diagnostic"/>.</summary>
    public DiagnosticException(Diagnostic diagnostic, Exception? inner = null)
        : base($"{diagnostic.Code}: {diagnostic.Message}", inner) => Diagnostic = diagnostic;

    /// <summary>Wraps an error made from its parts.</summary>
    public DiagnosticException(string code, string message, Exception? inner = null)
        : this(Diagnostic.Error(code, message), inner)
    {
    }

    /// <summary>What went wrong.</summary>
    public Diagnostic Diagnostic { get; }
}
