using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Onnx.Serialization.Reading;

/// <summary>What every part of one reading shares.</summary>
internal sealed class ReadContext(string? path, ByteSource source, SlimModel slim, ExternalDataReader external)
{
    /// <summary>The serialized model.</summary>
    public ByteSource Source { get; } = source;

    /// <summary>Where tensor elements lie.</summary>
    public SlimModel Slim { get; } = slim;

    /// <summary>Opens files beside the model.</summary>
    public ExternalDataReader External { get; } = external;

    /// <summary>What the user should know although the model could be read.</summary>
    public List<Diagnostic> Notes { get; } = [];

    /// <summary>Makes an error about the model file.</summary>
    public DiagnosticException Error(string code, string message, Exception? inner = null) => Error(path, code, message, inner);

    /// <summary>Makes an error about a file.</summary>
    public static DiagnosticException Error(string? path, string code, string message, Exception? inner = null) =>
        new(Diagnostic.Error(code, message) with { File = path }, inner);

    /// <summary>Adds a note about the model file.</summary>
    public void Note(Diagnostic note) => Notes.Add(note with { File = path });
}
