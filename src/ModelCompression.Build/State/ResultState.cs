using System;
using System.Collections.Generic;
using System.IO;
using ModelCompression.Build.Items;
using ModelCompression.Build.Worker;

namespace ModelCompression.Build.State;

/// <summary>Makes the state of a model from the worker's answer.</summary>
internal static class ResultState
{
    /// <param name="model">The item.</param>
    /// <param name="key">Its parameters.</param>
    /// <param name="inputs">Its input files as they were before the worker started: a change while it ran must make the result stale.</param>
    /// <param name="result">The worker's answer.</param>
    /// <param name="projectDirectory">Base of input names.</param>
    /// <param name="outputDirectory">Base of output names.</param>
    public static ModelState Create(ModelItem model, string key, List<InputRecord> inputs, WorkerResult result, string projectDirectory, string outputDirectory)
    {
        var hashes = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var file in result.Dependencies) hashes[PathText.Relative(projectDirectory, file.Path)] = file.Sha256;
        var state = new ModelState { Key = key, OriginalBytes = result.OriginalBytes, CompressedBytes = result.CompressedBytes, Summary = result.Summary };
        foreach (var input in inputs)
        {
            state.Inputs.Add(new InputRecord(input.Name, input.Stamp, hashes.TryGetValue(input.Name, out var sha256) ? sha256 : ""));
            hashes.Remove(input.Name);
        }
        foreach (var dependency in hashes)
            state.Dependencies.Add(new InputRecord(dependency.Key, FileStamp.Of(Path.Combine(projectDirectory, dependency.Key)), dependency.Value));
        state.Dependencies.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        state.Outputs.Add(new OutputRecord(model.TargetPath, FileStamp.Of(model.OutputPath), result.Sha256));
        foreach (var file in result.AdditionalOutputs)
            state.Outputs.Add(new OutputRecord(PathText.Relative(outputDirectory, file.Path), FileStamp.Of(file.Path), file.Sha256));
        foreach (var line in result.Warnings)
            if (WarningRecord.TryParse(line, projectDirectory) is { } warning) state.Warnings.Add(warning);
        foreach (var report in result.Reports) state.Reports.Add(PathText.Relative(outputDirectory, report));
        return state;
    }

    /// <summary>The input files of a model as they are now, hashes still unknown.</summary>
    public static List<InputRecord> Inputs(ModelItem model, string projectDirectory) =>
        Staleness.InputFiles(model).ConvertAll(file => new InputRecord(PathText.Relative(projectDirectory, file), FileStamp.Of(file), ""));
}
