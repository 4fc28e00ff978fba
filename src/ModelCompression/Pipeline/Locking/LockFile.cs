using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline.Locking;

/// <summary>Reads and changes a lock file. Several builds may change one file at the same time.</summary>
public static class LockFile
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Reads a lock file; an empty document when there is none.</summary>
    /// <exception cref="DiagnosticException">MCB5012: it is not a lock file of this version.</exception>
    public static LockDocument Read(string path)
    {
        string reason;
        byte[] content = [];
        try
        {
            if (!File.Exists(path)) return new LockDocument();
            FileKind.Require(path);
            content = File.ReadAllBytes(path);
            var document = JsonSerializer.Deserialize(content, LockJson.Readable.LockDocument);
            if (document is { Version: LockDocument.CurrentVersion }) return document.Projects is null ? new LockDocument() : document;
            reason = $"it has version {document?.Version.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "none"}, this tool knows version {LockDocument.CurrentVersion}";
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            reason = e.Message.ReplaceLineEndings(" ").TrimEnd('.');
        }

        throw new DiagnosticException(Diagnostic.Error("MCB5012", $"The lock file cannot be read: {reason}. {(content.AsSpan().IndexOf("<<<<<<<"u8) >= 0 ? "Resolve the merge conflict in it, take" : "Take")} it back from version control, or delete it and build without ModelCompressionLockedMode.") with { File = path });
    }

    /// <summary>Sets one model's entry, and drops those of models that the project has no more.</summary>
    /// <param name="path">The lock file.</param>
    /// <param name="project">Full path of the project.</param>
    /// <param name="target">Destination of the model.</param>
    /// <param name="model">Its entry.</param>
    /// <param name="targets">Destinations of all models of the project.</param>
    /// <exception cref="DiagnosticException">MCB5012; MCB9064: it cannot be written.</exception>
    public static void Update(string path, string project, string target, LockedModel model, IReadOnlyCollection<string> targets)
    {
        try
        {
            using var _ = Exclusive(path);
            var document = Read(path);
            string name = ProjectName(path, project);
            if (!document.Projects.TryGetValue(name, out var models)) document.Projects.Add(name, models = new(StringComparer.Ordinal));
            foreach (string former in models.Keys.Except(targets).ToArray()) models.Remove(former);
            models[target] = model;
            Write(path, document);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DiagnosticException(Diagnostic.Error("MCB9064", $"The lock file cannot be written: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}. Make it writable, or set ModelCompressionLockedMode=true where it is only to be checked.") with { File = path });
        }
    }

    /// <summary>How a lock file names a project.</summary>
    public static string ProjectName(string path, string project) => Path.GetRelativePath(Path.GetDirectoryName(path)!, project).Replace('\\', '/');

    /// <summary>The document as text: members in order, line feeds, nothing that depends on the machine.</summary>
    public static byte[] Serialize(LockDocument document) => [.. JsonSerializer.SerializeToUtf8Bytes(document, LockJson.Readable.LockDocument), (byte)'\n'];

    private static void Write(string path, LockDocument document)
    {
        byte[] text = Serialize(document);
        if (File.Exists(path) && File.ReadAllBytes(path).AsSpan().SequenceEqual(text)) return;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        string temporary = $"{path}.{Environment.ProcessId}.tmp";
        File.WriteAllBytes(temporary, text);
        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>Keeps other processes of this machine from changing the file meanwhile; the guard lies in the temporary folder, not beside the user's file.</summary>
    private static FileStream Exclusive(string path)
    {
        string guard = Path.Combine(Path.GetTempPath(), $"modelcompression-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(path)))[..16]}.guard");
        var deadline = DateTime.UtcNow + Patience;
        while (true)
        {
            try
            {
                return new FileStream(guard, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (DateTime.UtcNow < deadline)
            {
                Thread.Sleep(10);
            }
        }
    }
}

/// <summary>Generated serialization.</summary>
[JsonSerializable(typeof(LockDocument))]
internal sealed partial class LockJson : JsonSerializerContext
{
    /// <summary>For people and version control.</summary>
    public static LockJson Readable { get; } = new(JsonReport.Format());
}
