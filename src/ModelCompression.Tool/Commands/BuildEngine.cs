using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Pipeline;
using ModelCompression.Pipeline.Caching;
using ModelCompression.Pipeline.Locking;
using ModelCompression.Tool.Protocol;

namespace ModelCompression.Tool.Commands;

/// <summary>The engine as a build uses it: one cache and one lock file for all models of a request.</summary>
internal sealed class BuildEngine : IDisposable
{
    private readonly BuildRequest _request;
    private readonly ResultCache? _cache;
    private readonly List<Diagnostic> _early = [];
    private Action<Diagnostic>? _report;

    public BuildEngine(BuildRequest request)
    {
        _request = request;
        _cache = ResultCache.Open(request.CachePath, request.ProjectDirectory, diagnostic => (_report ?? _early.Add)(diagnostic));
    }

    /// <summary>Compresses one model; what is said about the cache belongs to the model that met it.</summary>
    public CompressionOutcome Compress(CompressionRequest request, Action<Diagnostic> report, CancellationToken cancellation)
    {
        _report = report;
        foreach (var diagnostic in _early) report(diagnostic);
        _early.Clear();
        var pipeline = new CompressionPipeline(report, _cache);
        if (_request.LockFile is not { Length: > 0 } lockFile) return pipeline.Run(request, cancellation);
        try
        {
            var outcome = pipeline.Run(request with { Lock = ReadLock(lockFile, request.Target) }, cancellation);
            if (outcome.Locked is { } locked && !_request.LockedMode) LockFile.Update(lockFile, _request.ProjectFile, request.Target, locked, [.. _request.Targets ?? [], request.Target]);
            return outcome;
        }
        catch (DiagnosticException e)
        {
            report(e.Diagnostic);
            return new CompressionOutcome { Status = CompressionStatus.Failed };
        }
    }

    public void Dispose() => _cache?.Dispose();

    private ModelLock ReadLock(string lockFile, string target)
    {
        var projects = LockFile.Read(lockFile).Projects;
        var entry = projects.TryGetValue(LockFile.ProjectName(lockFile, _request.ProjectFile), out var models) ? models.GetValueOrDefault(target) : null;
        return new ModelLock(lockFile, entry, _request.LockedMode);
    }
}
