using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Pipeline.Caching;

/// <summary>A run that first looks for its result in a cache, and adds it there when it had to be made.</summary>
internal sealed class CachedRun(CompressionRequest request, RunInputs inputs, ResultCache cache, Action<Diagnostic> report)
{
    private static readonly string[] ReportSuffixes = [".report.json", ".report.html", ".report.md"];

    /// <summary>Takes the result from the cache, or does the work.</summary>
    /// <param name="work">Does it; what it says goes to the action it is given.</param>
    /// <param name="cancellation">Stops transfers.</param>
    public CompressionOutcome Execute(Func<Action<Diagnostic>, CompressionOutcome> work, CancellationToken cancellation)
    {
        string key = ResultKey.Of(request, inputs);
        if (Restore(key, cancellation) is { } restored) return restored;
        var said = new List<Diagnostic>();
        var outcome = work(diagnostic =>
        {
            said.Add(diagnostic);
            report(diagnostic);
        });
        if (outcome.Report is { } made) cache.Store(key, new CachedResult(made, said, outcome.Measured), Files(outcome), cancellation);
        return outcome;
    }

    private CompressionOutcome? Restore(string key, CancellationToken cancellation)
    {
        using var staging = new StagingFolder(request.OutputPath);
        if (cache.Fetch(key, staging, cancellation) is not { } result) return null;
        bool original = result.Report.Status == "original";
        if (original) staging.AddOriginal(request.SourcePath, inputs.ExternalPaths);
        if (!File.Exists(staging.ModelPath) || FileDigest.Sha256(staging.ModelPath) != result.Report.Compressed.Sha256) return null;
        // A result that is not the locked one is made here, to see which of the two is right.
        if (request.Lock?.OutputOf(inputs) is { } expected && expected != result.Report.Compressed.Sha256) return null;
        var others = staging.Publish([request.SourcePath, .. inputs.ExternalPaths]);
        foreach (var diagnostic in result.Diagnostics) report(diagnostic with { File = request.SourcePath, Line = 0, Column = 0 });
        string[] reports = [.. ReportSuffixes.Select(suffix => request.OutputPath + suffix).Where(others.Contains)];
        return new CompressionOutcome
        {
            Status = original ? CompressionStatus.Original : CompressionStatus.Compressed,
            Report = result.Report,
            FromCache = true,
            ReportPaths = reports,
            AdditionalOutputs = [.. others.Except(reports)],
            Dependencies = inputs.Settings.TryGetValue("MetricCommand", out string? command) ? [.. inputs.ExternalPaths, .. MetricProgram.FilesOf(command, request.MetricFolder)] : inputs.ExternalPaths,
            Measured = result.Measured,
        };
    }

    /// <summary>The files of a result by their names beside the output; an original is copied from the source instead.</summary>
    private Dictionary<string, string> Files(CompressionOutcome outcome)
    {
        string folder = Path.GetDirectoryName(request.OutputPath)!;
        IEnumerable<string> made = outcome.Status == CompressionStatus.Original ? outcome.ReportPaths : [request.OutputPath, .. outcome.AdditionalOutputs, .. outcome.ReportPaths];
        return made.ToDictionary(path => Path.GetRelativePath(folder, path).Replace('\\', '/'), path => path, StringComparer.Ordinal);
    }
}
