using System;
using System.Collections.Generic;
using System.IO;
using ModelCompression.Build.Items;
using ModelCompression.Build.Json;

namespace ModelCompression.Build.State;

/// <summary>
/// What a lock file says about the models of this project, as texts to compare. A result holds only as long as its entry is the one it was made with, so a lock file that
/// was changed, deleted or only now asked for makes the worker look at it.
/// </summary>
internal sealed class LockedEntries
{
    private const string Missing = "missing";
    private readonly Dictionary<string, string> _entries = new(StringComparer.Ordinal);
    private readonly bool _wanted;
    private readonly bool _enforced;
    private readonly bool _readable = true;

    /// <param name="lockFile">Full path, or null when there is no lock file.</param>
    /// <param name="enforced"><c>ModelCompressionLockedMode</c>.</param>
    /// <param name="projectFile">The project.</param>
    public LockedEntries(string? lockFile, bool enforced, string projectFile)
    {
        _wanted = lockFile is not null;
        _enforced = enforced;
        if (lockFile is null || !File.Exists(lockFile)) return;
        try
        {
            var project = JsonParser.Parse(AtomicFile.ReadText(lockFile))["projects"][PathText.Relative(Path.GetDirectoryName(lockFile)!, projectFile)];
            foreach (var model in project.Members) _entries[model.Key] = model.Value.Canonical();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            // The worker reports what is wrong with it.
            _readable = false;
        }
    }

    /// <summary>The part of a result's parameters that the lock file is; empty without one.</summary>
    public string KeyOf(ModelItem model) => !_wanted ? "" : (_enforced ? "enforced " : "") + (_entries.TryGetValue(model.TargetPath, out var entry) ? entry : Missing);

    /// <summary>Why the worker must see to a model whatever its result is like, or null.</summary>
    public string? ReasonToCompress(ModelItem model) =>
        !_wanted || (_readable && _entries.ContainsKey(model.TargetPath)) ? null : "the lock file does not have it";
}
