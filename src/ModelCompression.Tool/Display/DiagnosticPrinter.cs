using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Tool.Protocol;

namespace ModelCompression.Tool.Display;

/// <summary>Diagnostics on standard error, so that standard output holds the result alone.</summary>
internal static class DiagnosticPrinter
{
    private static readonly Lock Gate = new();

    /// <summary>Prints in the form that compilers use.</summary>
    public static void Print(Diagnostic diagnostic)
    {
        lock (Gate) Console.Error.WriteLine(ProtocolOutput.Canonical(diagnostic, diagnostic.File ?? "", diagnostic.Line, diagnostic.Column));
    }
}
