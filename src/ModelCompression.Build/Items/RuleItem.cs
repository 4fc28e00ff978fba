using System.Collections.Generic;

namespace ModelCompression.Build.Items;

/// <summary>One <c>CompressModelRule</c> item.</summary>
internal sealed class RuleItem(string identity, IReadOnlyList<string> models, SortedDictionary<string, string> settings, string definingFile)
{
    public string Identity { get; } = identity;

    /// <summary>The patterns of its <c>Model</c> metadata; empty = every model.</summary>
    public IReadOnlyList<string> Models { get; } = models;

    public SortedDictionary<string, string> Settings { get; } = settings;

    public string DefiningFile { get; } = definingFile;

    /// <summary>True if a pattern names the model by its identity or its file name.</summary>
    public bool AppliesTo(string modelIdentity)
    {
        if (Models.Count == 0) return true;
        var fileName = modelIdentity.Substring(modelIdentity.LastIndexOf('/') + 1);
        foreach (var pattern in Models)
            if (Wildcard.Matches(pattern, modelIdentity) || Wildcard.Matches(pattern, fileName)) return true;
        return false;
    }
}
