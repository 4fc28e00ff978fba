namespace ModelCompression.Tool.Protocol;

/// <summary>What was done so far: docs/worker-protocol.md.</summary>
internal sealed record BuildResponse
{
    /// <summary>The protocol of the answer.</summary>
    public int ProtocolVersion { get; init; } = BuildRequest.SupportedVersion;

    /// <summary>Version of this worker.</summary>
    public string ToolVersion { get; init; } = "";

    /// <summary>Identity of the model being worked on; empty at the end.</summary>
    public string Running { get; init; } = "";

    /// <summary>Finished models.</summary>
    public IReadOnlyList<AnsweredModel> Models { get; init; } = [];
}

/// <summary>One finished model.</summary>
internal sealed record AnsweredModel
{
    /// <summary>As in the request.</summary>
    public required string Identity { get; init; }

    /// <summary>As in the request.</summary>
    public required string Output { get; init; }

    /// <summary><c>compressed</c>, <c>original</c> or <c>failed</c>.</summary>
    public required string Status { get; init; }

    /// <summary>Bytes of the source, external data included.</summary>
    public long OriginalBytes { get; init; }

    /// <summary>Bytes of the result, external data included.</summary>
    public long CompressedBytes { get; init; }

    /// <summary>SHA-256 of the result, lower-case hex.</summary>
    public string Sha256 { get; init; } = "";

    /// <summary>Full paths of the reports, JSON first.</summary>
    public IReadOnlyList<string> Reports { get; init; } = [];

    /// <summary>The line that was printed.</summary>
    public string Summary { get; init; } = "";

    /// <summary>Further files beside the result that belong to it.</summary>
    public IReadOnlyList<AnsweredFile> AdditionalOutputs { get; init; } = [];

    /// <summary>Files the result depends on.</summary>
    public IReadOnlyList<AnsweredFile> Dependencies { get; init; } = [];

    /// <summary>The warnings about the result that were printed, line by line: builds with nothing to do repeat them.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}

/// <summary>A file of an answer.</summary>
/// <param name="Path">Full path.</param>
/// <param name="Sha256">Lower-case hex, or empty when it was not computed.</param>
internal sealed record AnsweredFile(string Path, string Sha256);
