namespace ModelCompression.Build.State;

/// <summary>A file the worker made.</summary>
/// <param name="name">Relative to the output directory, with <c>/</c>.</param>
/// <param name="stamp">As left by the worker.</param>
/// <param name="sha256">Hash of the content, or empty when nobody computed it.</param>
internal sealed class OutputRecord(string name, FileStamp stamp, string sha256)
{
    public string Name { get; } = name;

    public FileStamp Stamp { get; } = stamp;

    public string Sha256 { get; } = sha256;
}
