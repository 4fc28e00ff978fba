using Google.Protobuf;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;

namespace ModelCompression.Onnx.Tests.Serialization;

/// <summary>Runs the reader on bad input and checks what every error must be.</summary>
internal static class BadInput
{
    public static Diagnostic Refused(IMessage message) => Refused(() => OnnxReader.Read(message.ToByteArray()));

    public static Diagnostic Refused(byte[] bytes) => Refused(() => OnnxReader.Read(bytes));

    /// <summary>Reads a file; the diagnostic must name it.</summary>
    public static Diagnostic RefusedFile(string path)
    {
        var diagnostic = Refused(() => OnnxReader.Read(path));
        Assert.AreEqual(path, diagnostic.File);
        return diagnostic;
    }

    public static Diagnostic Refused(Action action)
    {
        var diagnostic = Assert.ThrowsExactly<DiagnosticException>(action).Diagnostic;
        Assert.AreEqual(DiagnosticSeverity.Error, diagnostic.Severity);
        Assert.IsFalse(diagnostic.Message.AsSpan().ContainsAny('\r', '\n'), "a diagnostic is one line");
        Assert.EndsWith(".", diagnostic.Message, "the last sentence says what to do");
        return diagnostic;
    }
}
