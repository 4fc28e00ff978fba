using System.Collections.Generic;

namespace ModelCompression.Build.Items;

/// <summary>A metadata value that names data: a list of files and folders relative to the project.</summary>
internal sealed class DataSetting(string name, IReadOnlyList<DataPath> paths)
{
    public string Name { get; } = name;

    public IReadOnlyList<DataPath> Paths { get; } = paths;
}

/// <summary>One entry of a <see cref="DataSetting"/>.</summary>
internal sealed class DataPath(string text, string fullPath)
{
    /// <summary>As the user wrote it: what reports may show.</summary>
    public string Text { get; } = text;

    public string FullPath { get; } = fullPath;
}
