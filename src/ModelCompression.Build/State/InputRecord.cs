namespace ModelCompression.Build.State;

/// <summary>A file a result was made from.</summary>
/// <param name="name">Relative to the project, with <c>/</c>; absolute when it has another root.</param>
/// <param name="stamp">As found before the work began.</param>
/// <param name="sha256">Hash of the content, or empty when nobody computed it.</param>
internal sealed class InputRecord(string name, FileStamp stamp, string sha256)
{
    public string Name { get; } = name;

    public FileStamp Stamp { get; } = stamp;

    public string Sha256 { get; } = sha256;
}
