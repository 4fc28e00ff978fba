using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;

namespace ModelCompression.Pipeline;

/// <summary>The weights beside a result that is about to be replaced. Builds keep lists of their files; a command knows only what the old result says.</summary>
internal static class OldData
{
    /// <summary>
    /// The external data file that belongs to nobody but the result at a path: this tool has made that result, gives such files just this name, and the result refers to it.
    /// Null when one of these is not so, or when the old result cannot be read.
    /// </summary>
    /// <param name="resultPath">Full path of a result that may be there.</param>
    public static string? Of(string resultPath)
    {
        string data = OnnxWriter.ExternalDataPath(resultPath);
        if (!File.Exists(data) || !File.Exists(resultPath)) return null;
        try
        {
            using var old = OnnxReader.Read(resultPath);
            return old.Metadata.Any(m => m.Key == Provenance.SourceKey) && old.ExternalDataFiles.Contains(data, StagingFolder.SamePath) ? data : null;
        }
        catch (DiagnosticException)
        {
            return null;
        }
    }
}
