using System.Collections.Generic;

namespace ModelCompression.Build.Items;

/// <summary>One <c>CompressModel</c> item, with every path made absolute.</summary>
internal sealed class ModelItem
{
    /// <summary>The source relative to the project, with <c>/</c>: how logs and reports name the model.</summary>
    public string Identity { get; set; } = "";

    public string SourcePath { get; set; } = "";

    /// <summary>Destination relative to the output folder, with <c>/</c>.</summary>
    public string TargetPath { get; set; } = "";

    public string OutputPath { get; set; } = "";

    public string StatePath => OutputPath + ".state";

    /// <summary>The project file that contains the item.</summary>
    public string DefiningFile { get; set; } = "";

    /// <summary>The item as written, for finding its line.</summary>
    public string Spec { get; set; } = "";

    /// <summary>Metadata the user set; order and casing of names do not matter.</summary>
    public SortedDictionary<string, string> Settings { get; set; } = [];

    public IReadOnlyList<DataSetting> Data { get; set; } = [];

    public IReadOnlyList<RuleItem> Rules { get; set; } = [];

    /// <summary>Why the item cannot be worked on, or null.</summary>
    public ModelProblem? Problem { get; set; }
}

/// <summary>A coded reason why an item is not handed to the worker.</summary>
internal sealed class ModelProblem(string code, string message)
{
    public string Code { get; } = code;

    public string Message { get; } = message;
}
