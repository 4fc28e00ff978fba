using System;
using System.Collections.Generic;
using System.IO;

namespace ModelCompression.Build.State;

/// <summary>
/// The list of files this project put into its output directory. It is what lets results of renamed and removed models disappear, wherever
/// the directory is, without ever deleting a file of somebody else.
/// </summary>
internal sealed class OutputIndex(string outputDirectory)
{
    /// <summary>Name of the list in the output directory. The targets read it to clean.</summary>
    public const string FileName = "files.state";

    /// <summary>Name of the list of files that belong to a model without being named by an item. The targets read it to ship them.</summary>
    public const string AdditionalFileName = "additional.state";

    /// <summary>What is behind a result's name in the name of the folder with the trials of its search.</summary>
    private const string SearchSuffix = ".search";

    private readonly string _path = Path.Combine(outputDirectory, FileName);

    /// <summary>Files listed but not in <paramref name="current"/>; relative to the output directory, with <c>/</c>.</summary>
    public List<string> Orphans(ICollection<string> current)
    {
        var orphans = new List<string>();
        foreach (var file in Read())
            if (!current.Contains(file)) orphans.Add(file);
        return orphans;
    }

    /// <summary>Deletes the orphans and remembers the current files; touches nothing when nothing changed.</summary>
    public void Update(ICollection<string> current)
    {
        var listed = Read();
        var sorted = new List<string>(current);
        sorted.Sort(StringComparer.Ordinal);
        var text = sorted.Count == 0 ? "" : string.Join("\n", sorted) + "\n";
        if (text == string.Join("\n", listed) + (listed.Count == 0 ? "" : "\n")) return;
        foreach (var file in listed)
            if (!current.Contains(file)) Delete(file);
        if (text.Length == 0)
        {
            // Without models there is nothing to look after: a list would make every later build look again.
            Delete(WorkerIdentity.FileName);
            Delete(FileName);
            return;
        }
        Directory.CreateDirectory(outputDirectory);
        AtomicFile.WriteText(_path, text);
    }

    /// <summary>Remembers the files that belong to models, such as external data.</summary>
    public void UpdateAdditional(List<string> files)
    {
        var path = Path.Combine(outputDirectory, AdditionalFileName);
        var text = files.Count == 0 ? "" : string.Join("\n", files) + "\n";
        var exists = File.Exists(path);
        if (text.Length == 0)
        {
            if (exists) File.Delete(path);
            return;
        }
        if (!exists || text != AtomicFile.ReadText(path)) AtomicFile.WriteText(path, text);
    }

    private List<string> Read() =>
        File.Exists(_path) ? new List<string>(AtomicFile.ReadText(_path).Split(['\n'], StringSplitOptions.RemoveEmptyEntries)) : [];

    private void Delete(string file)
    {
        var path = Path.Combine(outputDirectory, file);
        try
        {
            File.Delete(path);
            if (Directory.Exists(path + SearchSuffix)) Directory.Delete(path + SearchSuffix, recursive: true);
            for (var folder = Path.GetDirectoryName(path)!; IsBelowOutput(folder) && Directory.GetFileSystemEntries(folder).Length == 0; folder = Path.GetDirectoryName(folder)!)
                Directory.Delete(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Somebody has the file open: it is no longer listed and no longer shipped, which is what matters.
        }
    }

    private bool IsBelowOutput(string folder) =>
        folder.Length > outputDirectory.TrimEnd('/', '\\').Length && folder.StartsWith(outputDirectory, StringComparison.Ordinal) && Directory.Exists(folder);
}
