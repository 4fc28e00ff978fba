using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization.Reading;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Serialization;

/// <summary>Reads ONNX models. Weights are mapped, never copied: reading costs time and memory for the structure only.</summary>
public static class OnnxReader
{
    /// <summary>Reads a model file. Its external data is looked for in the same folder.</summary>
    /// <param name="path">The <c>.onnx</c> file.</param>
    /// <returns>The model; dispose it to release the mapped files. What deserves a note is in <see cref="Model.Notes"/>.</returns>
    /// <exception cref="DiagnosticException">The file cannot be read or is no valid model (<c>MCB2001</c> to <c>MCB2039</c>).</exception>
    public static Model Read(string path)
    {
        var file = OpenFile(path, out string full);
        try
        {
            using var source = ByteSource.Of(file);
            // The folder of the name that was given, not of what a link leads to: that is where the user sees the model.
            var model = Read(source, path, Path.GetDirectoryName(full));
            model.SourcePath = full;
            model.StoredByteLength = model.ExternalDataFiles.Append(full).Sum(f => new FileInfo(f).Length);
            model.Own(file);
            return model;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads a serialized model from memory, which must stay unchanged while the model is used.</summary>
    /// <param name="bytes">A <c>ModelProto</c>.</param>
    /// <exception cref="DiagnosticException">The bytes are no valid model, or it keeps data in other files.</exception>
    public static Model Read(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.IsEmpty) throw ReadContext.Error(null, "MCB2002", "The model is empty.");
        using var source = ByteSource.Of(bytes);
        var model = Read(source, null, null);
        model.StoredByteLength = bytes.Length;
        return model;
    }

    private static Model Read(ByteSource source, string? path, string? folder)
    {
        var external = new ExternalDataReader(path, folder);
        try
        {
            if (ForeignFormat.Recognize(source) is { } format)
                throw ReadContext.Error(path, "MCB2002", $"The file is no ONNX model but {format}");
            var context = new ReadContext(path, source, Slim(source, path), external);
            var model = new ModelReader(context).Read();
            model.ExternalDataFiles = external.Paths;
            model.Notes = context.Notes;
            foreach (var resource in external.Resources) model.Own(resource);
            return model;
        }
        catch (WireFormatException error)
        {
            external.Dispose();
            throw Damaged(path, error);
        }
        catch
        {
            external.Dispose();
            throw;
        }
    }

    private static unsafe SlimModel Slim(ByteSource source, string? path)
    {
        try
        {
            return MessageSlimmer.Slim(source.Start, source.Length);
        }
        catch (NestingTooDeepException)
        {
            throw ReadContext.Error(path, "MCB2006", $"The model nests its parts more than {WireSchema.MaxDepth} levels deep, which ONNX Runtime does not load either. Flatten its subgraphs.");
        }
    }

    private static MappedFile OpenFile(string path, out string full)
    {
        try
        {
            full = Path.GetFullPath(path);
            if (Directory.Exists(full)) throw ReadContext.Error(path, "MCB2001", "The model is a folder. Give the path of the .onnx file in it.");
            if (FileKind.OtherThanFile(full) is { } kind) throw ReadContext.Error(path, "MCB2001", $"The model is {kind}. Write it to a file, and give the path of that.");
            if (!File.Exists(full)) throw ReadContext.Error(path, "MCB2001", "The model file does not exist. Check the path.");
            if (new FileInfo(full).Length == 0 && IsReallyEmpty(full)) throw ReadContext.Error(path, "MCB2002", "The model file is empty. Export or download it again.");
            return MappedFile.Open(full);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw ReadContext.Error(path, "MCB2001", $"The model file cannot be read: {error.Message.ReplaceLineEndings(" ")} Make it readable.", error);
        }
    }

    /// <summary>The size of a link's own entry says nothing about the file behind it.</summary>
    private static bool IsReallyEmpty(string full)
    {
        using var handle = File.OpenHandle(full);
        return RandomAccess.GetLength(handle) == 0;
    }

    private static DiagnosticException Damaged(string? path, WireFormatException error) =>
        ReadContext.Error(path, "MCB2003", FormattableString.Invariant($"The file is damaged or no ONNX model: at byte {error.Position}, {error.Message}. Export or download it again."), error);
}
