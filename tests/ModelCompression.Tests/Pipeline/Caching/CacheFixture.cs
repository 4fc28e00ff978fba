using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Pipeline.Caching;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Pipeline.Caching;

/// <summary>A machine that compresses the sample's model and shares its results with others.</summary>
internal sealed class CacheFixture : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public CacheFixture()
    {
        Source = folder.Combine("fashion.onnx");
        File.Copy(PipelineFixture.SampleModel, Source);
    }

    public string Source { get; }

    public string Output => folder.Combine("out", "fashion.onnx");

    public List<Diagnostic> Diagnostics { get; } = [];

    public IReadOnlyList<string> Reports { get; set; } = ["Json", "Html"];

    /// <summary>Compresses in a fresh process's stead: opens the cache anew.</summary>
    public CompressionOutcome Run(string cachePath, params (string Name, string Value)[] settings)
    {
        using var cache = ResultCache.Open(cachePath, folder.Path, Diagnostics.Add);
        return Run(cache!, settings);
    }

    public CompressionOutcome Run(ResultCache cache, params (string Name, string Value)[] settings) =>
        new CompressionPipeline(Diagnostics.Add, cache).Run(new CompressionRequest
        {
            SourcePath = Source,
            Identity = "Models/fashion.onnx",
            OutputPath = Output,
            Item = new SettingsSource("CompressModel 'Models/fashion.onnx'", settings.ToDictionary(s => s.Name, s => s.Value)),
            Reports = Reports,
            Threads = 2,
        });

    /// <summary>Name and content of every file beside the output.</summary>
    public string[] Files() => [.. Directory.EnumerateFiles(Path.GetDirectoryName(Output)!).Order(StringComparer.Ordinal).Select(f => Path.GetFileName(f) + " " + Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(f))))];

    public void Dispose() => folder.Dispose();
}
