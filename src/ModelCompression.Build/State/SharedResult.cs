using System.IO;
using ModelCompression.Build.Items;

namespace ModelCompression.Build.State;

/// <summary>A result in the output directory of another instance of the same project (another framework or runtime identifier).</summary>
internal sealed class SharedResult
{
    private readonly string _output;
    private readonly string _directory;
    private readonly Staleness _staleness;

    /// <param name="projectDirectory">The project's folder.</param>
    /// <param name="output">The result.</param>
    /// <param name="targetPath">Its place in that instance's output directory.</param>
    public SharedResult(string projectDirectory, string output, string targetPath)
    {
        _output = output;
        _directory = output.Substring(0, output.Length - targetPath.Length);
        _staleness = new Staleness(projectDirectory, _directory);
    }

    /// <summary>Copies the result with its reports and further files; false when it was made from something else.</summary>
    public bool TryCopy(ModelItem model, string key, string outputDirectory)
    {
        var state = ModelState.Read(_output + ".state");
        if (_staleness.ReasonToCompress(model, key, state, out _) is not null) return false;
        for (var i = 0; i < state!.Outputs.Count; i++)
        {
            var output = state.Outputs[i];
            state.Outputs[i] = new OutputRecord(output.Name, FileStamp.Of(Copy(output.Name, outputDirectory)), output.Sha256);
        }
        foreach (var report in state.Reports) Copy(report, outputDirectory);
        state.Write(model.StatePath);
        return true;
    }

    private string Copy(string name, string outputDirectory)
    {
        var destination = Path.Combine(outputDirectory, name);
        Directory.CreateDirectory(Path.GetDirectoryName(destination)!);
        AtomicFile.Copy(Path.Combine(_directory, name), destination);
        return Path.GetFullPath(destination);
    }
}
