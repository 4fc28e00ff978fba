using System.Globalization;
using ModelCompression.Onnx.Serialization.Proto;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Serialization.Reading;

/// <summary>Opens the files beside a model that hold its weights. Only files inside the model's folder are touched.</summary>
/// <param name="modelPath">The model file for messages, or null.</param>
/// <param name="folder">Full path of the folder that locations are relative to, or null when there is none.</param>
internal sealed class ExternalDataReader(string? modelPath, string? folder) : IDisposable
{
    private readonly Dictionary<string, MappedFile> files = new(StringComparer.Ordinal);

    /// <summary>The files opened so far, in order of first use.</summary>
    public List<string> Paths { get; } = [];

    /// <summary>The mapped files, to be released with the model.</summary>
    public IEnumerable<IDisposable> Resources => files.Values;

    /// <summary>Opens the bytes of a tensor.</summary>
    /// <param name="entries">Key-value pairs of <c>TensorProto.external_data</c>.</param>
    /// <param name="byteLength">Bytes by data type and shape.</param>
    /// <param name="where">What to call the tensor in an error.</param>
    public TensorData Open(IEnumerable<StringStringEntryProto> entries, long byteLength, string where)
    {
        string? location = null;
        long offset = 0, length = -1;
        foreach (var entry in entries)
        {
            switch (entry.Key)
            {
                case "location": location = entry.Value; break;
                case "offset": offset = ParseNumber(entry, where); break;
                case "length": length = ParseNumber(entry, where); break;
            }
        }

        if (string.IsNullOrEmpty(location)) throw Error("MCB2013", $"{where} says that its data is in another file, but not in which. Export the model again.");
        // Nothing is opened for nothing: mapping fails on an empty file.
        if (byteLength == 0 && length <= 0) return TensorData.FromArray(Array.Empty<byte>());
        var file = OpenFile(location, where);
        if (offset > file.Length || length > file.Length - offset)
            throw Error("MCB2015", $"{where} lies at offset {offset}{(length < 0 ? "" : $", length {length},")} of '{location}', which has {file.Length} bytes. The file is incomplete or belongs to another model; fetch it again.");
        if (length < 0) length = file.Length - offset;
        if (length != byteLength)
            throw Error("MCB2011", $"{where} should hold {byteLength} bytes by its shape, but '{location}' holds {length} for it. The files do not belong together; fetch both again.");
        return file.Slice(offset, length);
    }

    /// <summary>Releases the files when reading has failed; otherwise the model owns them.</summary>
    public void Dispose()
    {
        foreach (var file in files.Values) file.Dispose();
    }

    private long ParseNumber(StringStringEntryProto entry, string where) =>
        long.TryParse(entry.Value, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? number
            : throw Error("MCB2015", $"{where} has the external data {entry.Key} '{entry.Value}', which is not a number from 0 to {long.MaxValue}. The file is damaged; export or download it again.");

    private MappedFile OpenFile(string location, string where)
    {
        string path = Resolve(location, where);
        if (files.TryGetValue(path, out var file)) return file;
        try
        {
            if (!File.Exists(path)) throw Error("MCB2014", $"{where} keeps its data in '{location}', which is missing beside the model. Copy that file together with the model.");
            FileKind.Require(path);
            if (new FileInfo(path).Length == 0) throw Error("MCB2015", $"{where} keeps its data in '{location}', which is empty. Fetch that file again.");
            file = MappedFile.Open(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Error("MCB2014", $"{where} keeps its data in '{location}', which cannot be read: {error.Message.ReplaceLineEndings(" ")} Make it readable.", error);
        }

        files.Add(path, file);
        Paths.Add(path);
        return file;
    }

    /// <summary>Full path of a location that stays inside the folder, links followed.</summary>
    private string Resolve(string location, string where)
    {
        if (folder is null) throw Error("MCB2013", $"{where} keeps its data in the file '{location}', but the model was not read from a file. Read it from its path.");
        try
        {
            if (ContainedPath.TryResolve(folder, location, out string path)) return path;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Error("MCB2014", $"{where} keeps its data in '{location}', which cannot be read: {error.Message.ReplaceLineEndings(" ")} Make it readable.", error);
        }

        throw Error("MCB2013", $"{where} wants its data from '{location}', which lies outside of the model's folder. Only files in that folder are read; put the file there and give a relative location.");
    }

    private Diagnostics.DiagnosticException Error(string code, string message, Exception? inner = null) => ReadContext.Error(modelPath, code, message, inner);
}
