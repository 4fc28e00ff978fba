using System.Text.RegularExpressions;
using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Runtime;

/// <summary>Turns failures of ONNX Runtime into one-line diagnostics.</summary>
internal static partial class RuntimeError
{
    private const int MaxLength = 300;

    /// <summary>A session could not be opened.</summary>
    public static DiagnosticException CannotOpen(ModelRole role, string model, Exception cause) => role == ModelRole.Original
        ? new("MCB2040", $"ONNX Runtime does not open '{model}': {OneLine(cause.Message)}. Check that the model runs in ONNX Runtime {OrtVersion} at all; one it cannot open is not compressed.", cause)
        : new("MCB4040", $"ONNX Runtime does not open the compressed model: {OneLine(cause.Message)}. No file was replaced; exclude the node with ExcludeNodes or choose another Quantization, and report this as a defect.", cause);

    /// <summary>A run failed.</summary>
    public static DiagnosticException CannotRun(ModelRole role, string model, Exception cause) => role == ModelRole.Original
        ? new("MCB2041", $"'{model}' does not run: {OneLine(cause.Message)}. Check the shapes and values of the data against what the model expects.", cause)
        : new("MCB4041", $"The compressed model does not run where the original does: {OneLine(cause.Message)}. No file was replaced; exclude the node with ExcludeNodes or choose another Quantization, and report this as a defect.", cause);

    /// <summary>ONNX Runtime's message without its error code, source locations and line breaks, at most 300 characters, no full stop at the end.</summary>
    public static string OneLine(string message)
    {
        string line = ErrorCode().Replace(message, "");
        line = FilePrefix().Replace(line, "");
        line = SourceLocation().Replace(line, "");
        line = WhiteSpace().Replace(line, " ").Trim().TrimEnd('.');
        return line.Length <= MaxLength ? line : string.Concat(line.AsSpan(0, MaxLength), "…");
    }

    private static string OrtVersion => Microsoft.ML.OnnxRuntime.OrtEnv.Instance().GetVersionString();

    [GeneratedRegex(@"^\[ErrorCode:\w+\]\s*")]
    private static partial Regex ErrorCode();

    // The file is named by the diagnostic already, and "::<lambda()>" is all that the source location leaves of a lambda.
    [GeneratedRegex(@"Load model from .*? failed:\s*|::<lambda\(\)>\s*")]
    private static partial Regex FilePrefix();

    // "/onnxruntime_src/onnxruntime/core/graph/model.cc:181 onnxruntime::Model::Model(ModelProto&&, ...) " up to the closing parenthesis of the function.
    [GeneratedRegex(@"(?:[A-Za-z]:)?[\\/][^\s:]*\.(?:cc|cpp|h)(?::\d+|\(\d+\))\s+(?:[^()\n]*\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)(?:\s+const)?\s*)?(?:\[[^\]]*\]\s*)?")]
    private static partial Regex SourceLocation();

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();
}
