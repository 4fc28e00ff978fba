namespace ModelCompression.Tool.Protocol;

/// <summary>What a build asks for: docs/worker-protocol.md.</summary>
internal sealed record BuildRequest
{
    /// <summary>The protocol this worker speaks.</summary>
    public const int SupportedVersion = 1;

    /// <summary>The protocol of the request.</summary>
    public int ProtocolVersion { get; init; }

    /// <summary>Version of the build package, for messages.</summary>
    public string ToolVersion { get; init; } = "";

    /// <summary>Full path of the project.</summary>
    public string ProjectFile { get; init; } = "";

    /// <summary>Full path of its folder.</summary>
    public string ProjectDirectory { get; init; } = "";

    /// <summary>Full path of the folder that destinations are relative to; empty when the models tell.</summary>
    public string OutputDirectory { get; init; } = "";

    /// <summary>Where the answer is wanted.</summary>
    public string ResponseFile { get; init; } = "";

    /// <summary>Most threads to use; 0 = as many as the machine has.</summary>
    public int Threads { get; init; }

    /// <summary>The process to die with; 0 = none.</summary>
    public int ParentProcessId { get; init; }

    /// <summary>Folder or address of a cache of results.</summary>
    public string? CachePath { get; init; }

    /// <summary>Full path of the lock file.</summary>
    public string? LockFile { get; init; }

    /// <summary>Whether a result that differs from the lock file is an error.</summary>
    public bool LockedMode { get; init; }

    /// <summary>Destinations of all models of the project, those with nothing to do as well.</summary>
    public IReadOnlyList<string> Targets { get; init; } = [];

    /// <summary>The models, in the order to work on.</summary>
    public IReadOnlyList<RequestedModel> Models { get; init; } = [];
}

/// <summary>One model of a request.</summary>
internal sealed record RequestedModel
{
    /// <summary>Its path relative to the project, with <c>/</c>.</summary>
    public string Identity { get; init; } = "";

    /// <summary>Full path of the source.</summary>
    public string Source { get; init; } = "";

    /// <summary>Full path of the result.</summary>
    public string Output { get; init; } = "";

    /// <summary>Destination relative to the output folder, with <c>/</c>.</summary>
    public string Target { get; init; } = "";

    /// <summary>The file with the item.</summary>
    public string DefiningFile { get; init; } = "";

    /// <summary>One-based line of the item, or 0.</summary>
    public int Line { get; init; }

    /// <summary>One-based column of the item, or 0.</summary>
    public int Column { get; init; }

    /// <summary>Full path of each report by its format.</summary>
    public IReadOnlyDictionary<string, string> Reports { get; init; } = new Dictionary<string, string>();

    /// <summary>Metadata as written.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Data files and folders of the settings that name data.</summary>
    public IReadOnlyList<RequestedData> Data { get; init; } = [];

    /// <summary>Rules that apply to the model, in order.</summary>
    public IReadOnlyList<RequestedRule> Rules { get; init; } = [];
}

/// <summary>One path of a setting that names data.</summary>
/// <param name="Setting">The setting.</param>
/// <param name="Path">Full path.</param>
/// <param name="Text">The path as written: what reports may show.</param>
internal sealed record RequestedData(string Setting, string Path, string Text);

/// <summary>A rule of a request.</summary>
internal sealed record RequestedRule
{
    /// <summary>Name of the rule.</summary>
    public string Identity { get; init; } = "";

    /// <summary>Destination relative to the output folder, with <c>/</c>.</summary>
    public string Target { get; init; } = "";

    /// <summary>The file with the item.</summary>
    public string DefiningFile { get; init; } = "";

    /// <summary>One-based line of the item, or 0.</summary>
    public int Line { get; init; }

    /// <summary>One-based column of the item, or 0.</summary>
    public int Column { get; init; }

    /// <summary>Metadata as written.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();
}
