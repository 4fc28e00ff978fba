using System;
using System.Collections.Generic;
using System.IO;
using ModelCompression.Build.Items;

namespace ModelCompression.Build.State;

/// <summary>
/// Decides whether a model's result still holds. Files are compared by length and time; when only the time moved (a checkout, a restored
/// cache) the content decides, and the new time is remembered.
/// </summary>
internal sealed class Staleness(string projectDirectory, string outputDirectory)
{
    /// <summary>The files a model is made from: the source, then its data with folders expanded; each absolute.</summary>
    public static List<string> InputFiles(ModelItem model)
    {
        var files = new List<string> { model.SourcePath };
        foreach (var setting in model.Data)
            foreach (var path in setting.Paths) AddFiles(files, path.FullPath);
        return files;
    }

    /// <summary>Why the model must be compressed again; null when <paramref name="state"/> still holds.</summary>
    /// <param name="model">The item.</param>
    /// <param name="key">Its parameters now.</param>
    /// <param name="state">What is recorded beside its output.</param>
    /// <param name="restamped">True when the content is the same but times moved: the state has been updated and should be written.</param>
    public string? ReasonToCompress(ModelItem model, string key, ModelState? state, out bool restamped)
    {
        restamped = false;
        if (model.Problem is not null) return model.Problem.Message;
        if (state is null) return "there is no result yet";
        if (state.Key != key) return "its settings, its rules or the tool changed";
        var files = InputFiles(model);
        if (files.Count != state.Inputs.Count) return "files were added to or removed from its data";
        for (var i = 0; i < files.Count; i++)
        {
            var recorded = state.Inputs[i];
            if (Path.GetFullPath(Path.Combine(projectDirectory, recorded.Name)) != files[i]) return "its list of input files changed";
            if (!Holds(files[i], recorded.Stamp, recorded.Sha256, out var now)) return $"'{recorded.Name}' changed";
            Restamp(state.Inputs, i, recorded, now, ref restamped);
        }
        for (var i = 0; i < state.Dependencies.Count; i++)
        {
            var recorded = state.Dependencies[i];
            if (!Holds(Path.Combine(projectDirectory, recorded.Name), recorded.Stamp, recorded.Sha256, out var now)) return $"'{recorded.Name}' changed";
            Restamp(state.Dependencies, i, recorded, now, ref restamped);
        }
        for (var i = 0; i < state.Outputs.Count; i++)
        {
            var recorded = state.Outputs[i];
            if (!Holds(Path.Combine(outputDirectory, recorded.Name), recorded.Stamp, recorded.Sha256, out var now)) return $"its result '{recorded.Name}' is missing or was changed";
            if (now.Equals(recorded.Stamp)) continue;
            state.Outputs[i] = new OutputRecord(recorded.Name, now, recorded.Sha256);
            restamped = true;
        }
        foreach (var report in state.Reports)
            if (!File.Exists(Path.Combine(outputDirectory, report))) return $"its report '{report}' is missing";
        return null;
    }

    private static void Restamp(List<InputRecord> records, int index, InputRecord recorded, FileStamp now, ref bool restamped)
    {
        if (now.Equals(recorded.Stamp)) return;
        records[index] = new InputRecord(recorded.Name, now, recorded.Sha256);
        restamped = true;
    }

    private static bool Holds(string path, FileStamp recorded, string sha256, out FileStamp now)
    {
        now = FileStamp.Of(path);
        if (now.Equals(recorded)) return true;
        return now.ByteLength == recorded.ByteLength && now.ByteLength >= 0 && sha256.Length > 0 && FileStamp.Sha256(path) == sha256;
    }

    private static void AddFiles(List<string> files, string path)
    {
        // Anything that is not a folder counts as a file: a missing one is the worker's to report.
        if (!Directory.Exists(path))
        {
            files.Add(path);
            return;
        }
        var found = Directory.GetFiles(path, "*", SearchOption.AllDirectories);
        Array.Sort(found, StringComparer.Ordinal);
        files.AddRange(found);
    }
}
