using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization.Reading;
using ModelCompression.Onnx.Serialization.Writing;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Serialization;

/// <summary>What <see cref="OnnxWriter"/> has written.</summary>
/// <param name="Path">Full path of the model.</param>
/// <param name="ExternalDataFiles">Full paths of the files with its weights; empty when they are in the model itself.</param>
/// <param name="ByteLength">Bytes of all files together.</param>
/// <param name="Sha256">SHA-256 of the model file in lower-case hexadecimal, computed beside the writing.</param>
public sealed record WrittenModel(string Path, IReadOnlyList<string> ExternalDataFiles, long ByteLength, string Sha256);

/// <summary>Writes ONNX models. Weights go straight from where they lie to the file; equal models give equal bytes.</summary>
public static class OnnxWriter
{
    /// <summary>Protobuf's limit of 2 GiB less a margin, for what a runtime may add to the message in memory.</summary>
    private const long MaxMessageByteLength = int.MaxValue - (16L << 20);

    /// <summary>The digest of a smaller message takes less time than another thread.</summary>
    private const long MinParallelByteLength = 1L << 20;

    /// <summary>Writes a model file, and beside it <c>&lt;name&gt;.data</c> when the model is too large for one file.</summary>
    /// <param name="model">The model; it stays as it is.</param>
    /// <param name="path">File to write; its folder must exist. An old file is replaced only when the new one is complete.</param>
    /// <param name="cancellation">Stops the writing; nothing is left behind.</param>
    /// <exception cref="DiagnosticException">The files cannot be written (<c>MCB4001</c> to <c>MCB4004</c>).</exception>
    public static WrittenModel Write(Model model, string path, CancellationToken cancellation = default) =>
        Write(model, path, MaxMessageByteLength, cancellation);

    /// <summary>Writes a model file like <see cref="Write(Model, string, CancellationToken)"/>, but leaves behind a digest that is still being computed.</summary>
    /// <inheritdoc cref="Write(Model, string, CancellationToken)"/>
    /// <param name="model">The model.</param>
    /// <param name="path">File to write; its folder must exist. An old file is replaced only when the new one is complete.</param>
    /// <param name="discards">True when nobody looks at large tensors of the model again: their memory serves others as soon as file and digest are past them (<see cref="RecycledMemory"/>).</param>
    /// <param name="cancellation">Stops the writing; nothing is left behind.</param>
    /// <returns>What was written; to be disposed before the model is, since the digest reads its weights.</returns>
    public static PendingModel WriteAhead(Model model, string path, bool discards = false, CancellationToken cancellation = default) =>
        WriteAhead(model, path, MaxMessageByteLength, discards, cancellation);

    /// <summary>Writes a model with all its weights to a stream.</summary>
    /// <exception cref="DiagnosticException">It has more than 2 GiB (<c>MCB4004</c>).</exception>
    public static void Write(Model model, Stream stream, CancellationToken cancellation = default)
    {
        var message = new ModelMessage(model);
        RequireFits(message, int.MaxValue, null);
        message.WriteTo(stream, cancellation);
    }

    /// <summary>Where the weights of a model go that is too large for one file.</summary>
    /// <param name="path">Path of the model.</param>
    public static string ExternalDataPath(string path) => path + ".data";

    /// <summary>Bytes that a model takes with all its weights; looks at no weight.</summary>
    public static long ByteLengthOf(Model model) => new ModelMessage(model).ByteLength;

    /// <summary>Gives the bytes of a model with all its weights.</summary>
    /// <exception cref="DiagnosticException">It has more than 2 GiB (<c>MCB4004</c>).</exception>
    public static byte[] ToBytes(Model model)
    {
        return ToBytes(new ModelMessage(model));
    }

    private static byte[] ToBytes(ModelMessage message)
    {
        RequireFits(message, Array.MaxLength, null);
        byte[] bytes = new byte[message.ByteLength];
        using var stream = new MemoryStream(bytes);
        message.WriteTo(stream, default);
        return bytes;
    }

    /// <summary>
    /// Gives the bytes of a model that has just been read, with large initializers left where they lie: as external data at their places in the model's own files.
    /// A runtime that opens these bytes maps the weights from the file instead of parsing and copying them.
    /// </summary>
    /// <param name="model">A model with a <see cref="Model.SourcePath"/>, whose folder locations are relative to.</param>
    public static byte[] ToBytesWithoutData(Model model)
    {
        var message = new ModelMessage(model);
        message.ReferData(Path.GetDirectoryName(model.SourcePath)!);
        return ToBytes(message);
    }

    /// <summary>Writes with a limit of one's own for what stays in one file.</summary>
    internal static WrittenModel Write(Model model, string path, long maxMessageByteLength, CancellationToken cancellation)
    {
        using var written = WriteAhead(model, path, maxMessageByteLength, discards: false, cancellation);
        return new WrittenModel(written.Path, written.ExternalDataFiles, written.ByteLength, written.Sha256);
    }

    private static PendingModel WriteAhead(Model model, string path, long maxMessageByteLength, bool discards, CancellationToken cancellation)
    {
        string full = Path.GetFullPath(path);
        string dataPath = ExternalDataPath(full);
        var message = new ModelMessage(model);
        RequireNotRead(model, full, path);
        ExternalDataLayout? layout = null;
        if (message.ByteLength > maxMessageByteLength)
        {
            RequireNotRead(model, dataPath, path);
            layout = message.MoveData(Path.GetFileName(dataPath));
            RequireFits(message, MaxMessageByteLength, path);
        }

        PendingDigest digest;
        var pending = discards && layout is null ? message.BeginDiscards() : null;
        try
        {
            using var replacement = new FileReplacement();
            if (layout is not null)
                using (var stream = replacement.Create(dataPath, layout.ByteLength)) layout.WriteTo(stream, cancellation);
            using (var stream = replacement.Create(full, message.ByteLength)) digest = WriteWithDigest(message, stream, pending, cancellation);
            Commit(replacement, digest, cancellation);
            pending?.Complete();
        }
        catch (IOException error) when (IsDiskFull(error))
        {
            throw ReadContext.Error(path, "MCB4003", $"The disk is full: the model needs {message.ByteLength + (layout?.ByteLength ?? 0)} bytes. Free some space; nothing was changed.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw ReadContext.Error(path, "MCB4001", $"The model cannot be written: {error.Message.ReplaceLineEndings(" ")} Make sure that the folder exists and is writable; nothing was changed.", error);
        }

        return new PendingModel(digest) { Path = full, ExternalDataFiles = layout is null ? [] : [dataPath], ByteLength = message.ByteLength + (layout?.ByteLength ?? 0) };
    }

    /// <summary>Writes on this thread while another one goes through the same bytes: the digest takes longer than writing.</summary>
    private static PendingDigest WriteWithDigest(ModelMessage message, Stream stream, PendingDiscards? pending, CancellationToken cancellation)
    {
        var digest = new PendingDigest(token => message.Digest(pending is null ? null : pending.Pass, token), inBackground: message.ByteLength >= MinParallelByteLength, cancellation);
        try
        {
            message.WriteTo(stream, cancellation);
            return digest;
        }
        catch
        {
            digest.Dispose();
            throw;
        }
    }

    private static void Commit(FileReplacement replacement, PendingDigest digest, CancellationToken cancellation)
    {
        try
        {
            cancellation.ThrowIfCancellationRequested();
            replacement.Commit();
        }
        catch
        {
            digest.Dispose();
            throw;
        }
    }

    private static void RequireFits(ModelMessage message, long max, string? path)
    {
        if (message.ByteLength > max)
            throw ReadContext.Error(path, "MCB4004", $"The model takes {message.ByteLength} bytes apart from what external data may hold; ONNX allows {max}. Split the model.");
    }

    /// <summary>The files a model was read from are mapped: its tensors would change under it.</summary>
    private static void RequireNotRead(Model model, string target, string path)
    {
        if (!File.Exists(target)) return;
        string real = ContainedPath.RealPath(target);
        foreach (string? source in model.ExternalDataFiles.Append(model.SourcePath))
        {
            if (source is not null && ContainedPath.RealPath(source) == real)
                throw ReadContext.Error(path, "MCB4002", $"'{Path.GetFileName(target)}' is a file the model is read from; it is never overwritten. Write to another place.");
        }
    }

    internal static bool IsDiskFull(IOException error) => error is DiskFullException ||
        (OperatingSystem.IsWindows() ? (error.HResult & 0xFFFF) is 0x27 or 0x70 : error.HResult is 28 or 122);
}
