using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Pipeline;
using ModelCompression.Pipeline.Caching;
using ModelCompression.Tool.Protocol;

namespace ModelCompression.Tool.Commands;

/// <summary>The engine as a build uses it: one cache for all models of a request.</summary>
internal sealed class BuildEngine : IDisposable
{
    private readonly ResultCache? _cache;
    private readonly List<Diagnostic> _early = [];
    private Action<Diagnostic>? _report;

    public BuildEngine(BuildRequest request)
    {
        _cache = ResultCache.Open(request.CachePath, request.ProjectDirectory, diagnostic => (_report ?? _early.Add)(diagnostic));
    }

    /// <summary>Compresses one model; what is said about the cache belongs to the model that met it.</summary>
    public CompressionOutcome Compress(CompressionRequest request, Action<Diagnostic> report, CancellationToken cancellation)
    {
        _report = report;
        foreach (var diagnostic in _early) report(diagnostic);
        _early.Clear();
        return new CompressionPipeline(report, _cache).Run(request, cancellation);
    }

    public void Dispose() => _cache?.Dispose();
}
