using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Pipeline.Caching;
using ModelCompression.Pipeline.Locking;
using ModelCompression.Pipeline.Search;
using ModelCompression.Reports;
using ModelCompression.Runtime;
using ModelCompression.Statistics;

namespace ModelCompression.Pipeline;

/// <summary>Compresses one model: settings, passes, checks, files. Stateless; may run several models after one another.</summary>
/// <param name="report">Takes every diagnostic as it arises, from one thread at a time.</param>
/// <param name="cache">Finished results to take from and add to, or null.</param>
public sealed partial class CompressionPipeline(Action<Diagnostic> report, ResultCache? cache = null)
{
    /// <summary>
    /// Compresses a model. Problems with the model, the data or the settings become diagnostics and <see cref="CompressionStatus.Failed"/>;
    /// an earlier result at the output path is then left as it was.
    /// </summary>
    /// <exception cref="OperationCanceledException">Cancelled; nothing was left behind.</exception>
    public CompressionOutcome Run(CompressionRequest request, CancellationToken cancellation = default)
    {
        try
        {
            return Compress(request, cancellation);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            var error = EnvironmentError.Of(e) ?? (e as DiagnosticException)?.Diagnostic ?? Defect(e);
            report(error.File is null ? error with { File = request.SourcePath } : error);
        }

        return new CompressionOutcome { Status = CompressionStatus.Failed };
    }

    private CompressionOutcome Compress(CompressionRequest request, CancellationToken cancellation)
    {
        if (ReadSettings(request) is not { } settings) return new() { Status = CompressionStatus.Failed };
        foreach (string path in ReportFiles.PathsFor(request.OutputPath, request.Reports).Prepend(request.OutputPath)) StagingFolder.RequireReplaceable(path);
        var digest = Task.Run(() => FileDigest.Sha256(request.SourcePath), cancellation);
        var measurements = new MeasurementRecord();
        ChosenSettings? locked = null;
        try
        {
            if ((cache is null && request.Lock is null) || ReadInputs(request, settings.Model, digest) is not { } inputs) return Work(report);
            request.Lock?.CheckInputs(inputs);
            measurements = new(request.Lock?.Recorded(inputs));
            locked = request.Lock?.Chosen(inputs);
            var outcome = cache is null ? Work(report) : new CachedRun(request, inputs, cache, report).Execute(Work, cancellation);
            return outcome.Report is null || request.Lock is null ? outcome
                : outcome with { Locked = LockedInputs.Entry(inputs, outcome, request.OutputPath, request.Target.Length > 0 ? request.Target : inputs.Source.Name, outcome.Measured) };
        }
        finally
        {
            // The file must not be in use any more when the caller goes on; a failed digest is reported by whoever needs it.
            ((IAsyncResult)digest).AsyncWaitHandle.WaitOne();
        }

        CompressionOutcome Work(Action<Diagnostic> said)
        {
            if (settings.Model.Strategy == CompressionStrategy.Auto) return Search(request, settings, locked, digest, measurements, said, cancellation);
            using var run = new CompressionRun(request, settings, digest, measurements, said);
            return run.Execute(cancellation);
        }
    }

    /// <summary>Looks for the best settings, or takes those of the lock file; then does with them what a build with these settings would do.</summary>
    private static CompressionOutcome Search(CompressionRequest request, CompressionSettings settings, ChosenSettings? locked, Task<string> digest, MeasurementRecord measurements, Action<Diagnostic> said, CancellationToken cancellation)
    {
        var found = locked is null ? new SearchRun(request, settings, digest, said, GuidedSearch.Run).Execute(cancellation) : SearchOutcome.Locked(request, settings.Model, locked);
        if (found is null) return new() { Status = CompressionStatus.Failed };
        var problems = new List<Diagnostic>();
        var chosen = OptionParser.Parse(found.Request.Item, found.Request.Rules, problems) ?? throw new DiagnosticException(problems[0]);
        using var run = new CompressionRun(found.Request, chosen, digest, measurements, said) { Search = found };
        return run.Execute(cancellation);
    }

    /// <summary>What the result depends on; null when a file cannot be read, which the run itself then reports better.</summary>
    private static RunInputs? ReadInputs(CompressionRequest request, CompressionOptions options, Task<string> digest)
    {
        try
        {
            return RunInputs.Of(request, options, digest);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private CompressionSettings? ReadSettings(CompressionRequest request)
    {
        var diagnostics = new List<Diagnostic>();
        var settings = OptionParser.Parse(request.Item, request.Rules, diagnostics);
        foreach (var diagnostic in diagnostics) report(diagnostic.File is null ? diagnostic with { File = request.SourcePath } : diagnostic);
        return settings;
    }

    private static Diagnostic Defect(Exception e) => Diagnostic.Error(
        "MCB4099", $"Compressing this model failed by a defect of the tool ({e.GetType().Name}: {OneLine(e.Message)}). Please report it with the model's source; ModelCompressionEnabled=false ships the original meanwhile.");

    private static string OneLine(string text) => text.ReplaceLineEndings(" ").Trim();
}
