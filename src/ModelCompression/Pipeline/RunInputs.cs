using System.Collections.Concurrent;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;

namespace ModelCompression.Pipeline;

/// <summary>A file that went into a result.</summary>
/// <param name="Name">How the user wrote it, relative, with forward slashes; never absolute.</param>
/// <param name="Sha256">Digest of its content, lower-case hex.</param>
internal sealed record InputFile(string Name, string Sha256);

/// <summary>Everything a result depends on, as digests and texts: equal inputs give equal bytes on every machine.</summary>
internal sealed record RunInputs
{
    private static readonly ConcurrentDictionary<(string Path, long ByteLength, DateTime Time), string> Digests = new();

    /// <summary>The tool's identity: <see cref="ToolIdentity"/>.</summary>
    public required string Tool { get; init; }

    /// <summary>The tool's version, as lock files name it.</summary>
    public required string ToolVersion { get; init; }

    /// <summary>The source model.</summary>
    public required InputFile Source { get; init; }

    /// <summary>Its external data, in the order of their names.</summary>
    public required IReadOnlyList<InputFile> External { get; init; }

    /// <summary>Full paths of the external data.</summary>
    public required IReadOnlyList<string> ExternalPaths { get; init; }

    /// <summary>Files of the settings that name data, by setting; folders are expanded. Files that a <c>MetricCommand</c> names count as data.</summary>
    public required IReadOnlyDictionary<string, IReadOnlyList<InputFile>> Data { get; init; }

    /// <summary>Effective settings (<see cref="SettingsText.Of"/>).</summary>
    public required IReadOnlyDictionary<string, string> Settings { get; init; }

    /// <summary>Reads what a request depends on.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB2xxx: the model cannot be read.</exception>
    public static RunInputs Of(CompressionRequest request, CompressionOptions options, Task<string> sourceDigest)
    {
        string[] external;
        using (var model = OnnxReader.Read(request.SourcePath)) external = [.. model.ExternalDataFiles.Order(StringComparer.Ordinal)];
        string folder = Path.GetDirectoryName(request.SourcePath)!;
        var data = new SortedDictionary<string, IReadOnlyList<InputFile>>(StringComparer.Ordinal);
        foreach (var definition in OptionSchema.All.Where(d => d.Kind == OptionKind.Data))
            if (definition.Format(options) is { Length: > 0 } paths) data[definition.Name] = [.. DataFiles(request, definition.Name, OptionBuilder.Split(paths))];
        if (options.MetricCommand is { } command) data["MetricCommand"] = [.. MetricProgram.FilesOf(command, request.MetricFolder).Select(f => new InputFile(Slashes(Path.GetRelativePath(request.MetricFolder, f)), Digest(f)))];
        return new RunInputs
        {
            Tool = ToolIdentity.Current,
            ToolVersion = Pipeline.ToolVersion.Current,
            Source = new(request.Identity.Replace('\\', '/'), sourceDigest.GetAwaiter().GetResult()),
            External = [.. external.Select(path => new InputFile(Slashes(Path.GetRelativePath(folder, path)), Digest(path)))],
            ExternalPaths = external,
            Data = data,
            Settings = SettingsText.Of(request, options),
        };
    }

    private static IEnumerable<InputFile> DataFiles(CompressionRequest request, string setting, IReadOnlyList<string> paths)
    {
        var written = request.WrittenPaths.TryGetValue(setting, out string? text) ? OptionBuilder.Split(text) : [];
        for (int i = 0; i < paths.Count; i++)
        {
            string name = written.Count == paths.Count && !Path.IsPathRooted(written[i]) ? Slashes(written[i]) : Path.GetFileName(paths[i]);
            if (File.Exists(paths[i]))
            {
                yield return new InputFile(name, Digest(paths[i]));
                continue;
            }

            // A path that is neither a file nor a folder is reported when the data is opened.
            if (!Directory.Exists(paths[i])) continue;
            foreach (string file in Directory.EnumerateFiles(paths[i], "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
                yield return new InputFile($"{name.TrimEnd('/')}/{Slashes(Path.GetRelativePath(paths[i], file))}", Digest(file));
        }
    }

    /// <summary>Digest of a file; several models of a project often share their data, which is then read once.</summary>
    private static string Digest(string path)
    {
        var info = new FileInfo(path);
        return Digests.GetOrAdd((path, info.Length, info.LastWriteTimeUtc), key => FileDigest.Sha256(key.Path));
    }

    private static string Slashes(string path) => path.Replace('\\', '/');
}
