using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Pipeline;

/// <summary>A folder with the sample's trained model, in which runs of the pipeline leave their results.</summary>
internal sealed class PipelineFixture : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public PipelineFixture()
    {
        Source = System.IO.Path.Combine(folder.Path, "fashion.onnx");
        File.Copy(SampleModel, Source);
    }

    public static string SampleModel => System.IO.Path.Combine(RepositoryPaths.Root, "samples", "FashionClassifier", "Models", "fashion.onnx");

    public static string SampleData => System.IO.Path.Combine(RepositoryPaths.Root, "samples", "FashionClassifier", "Data", "fashion-test.npz");

    public string Source { get; set; }

    public string Folder => folder.Path;

    public string Output => System.IO.Path.Combine(folder.Path, "out", "fashion.onnx");

    public List<Diagnostic> Diagnostics { get; } = [];

    /// <summary>Codes and messages of <see cref="Diagnostics"/>, line by line.</summary>
    public string Told => string.Join('\n', Diagnostics.Select(d => $"{d.Code} {d.Message}"));

    public CompressionOutcome Run(params (string Name, string Value)[] settings) => Run(threads: 2, settings);

    public CompressionOutcome Run(int threads, params (string Name, string Value)[] settings)
    {
        Diagnostics.Clear();
        return new CompressionPipeline(Diagnostics.Add).Run(new CompressionRequest
        {
            SourcePath = Source,
            Identity = "Models/fashion.onnx",
            OutputPath = Output,
            Item = new SettingsSource("CompressModel 'Models/fashion.onnx'", settings.ToDictionary(s => s.Name, s => s.Value)),
            Reports = ["Json", "Html", "Markdown"],
            Threads = threads,
        });
    }

    public void Dispose() => folder.Dispose();
}
