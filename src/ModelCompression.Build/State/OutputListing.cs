using System;
using System.Collections.Generic;
using Microsoft.Build.Framework;

namespace ModelCompression.Build.State;

/// <summary>The valid results of a project, and every file that belongs to its models.</summary>
internal sealed class OutputListing
{
    /// <summary>Models with a valid result, in the order of the items.</summary>
    public List<ITaskItem> Results { get; } = [];

    /// <summary>Files of all models, relative to the output directory.</summary>
    public HashSet<string> Files { get; } = new(StringComparer.Ordinal);

    /// <summary>Those of them that belong to a model without being named by an item.</summary>
    public List<string> Additional { get; } = [];

    /// <summary>Remembers the files and deletes what is listed no more.</summary>
    /// <returns>What was deleted.</returns>
    public List<string> Update(OutputIndex index)
    {
        var orphans = index.Orphans(Files);
        index.Update(Files);
        index.UpdateAdditional(Additional);
        return orphans;
    }
}
