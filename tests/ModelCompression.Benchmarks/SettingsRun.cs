using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Reports;

namespace ModelCompression.Benchmarks;

/// <summary>Compresses one model by settings as a project file has them, in this process, without reports.</summary>
internal static class SettingsRun
{
    /// <summary>Makes <paramref name="output"/>.</summary>
    /// <param name="model">Path of the original.</param>
    /// <param name="output">Path of the result.</param>
    /// <param name="settings">Names of options and their values.</param>
    /// <param name="measuresLatency">Times both models, too.</param>
    /// <returns>What was made, or null and the codes of the errors.</returns>
    public static (CompressionReport? Report, string ErrorCodes) Compress(string model, string output, Dictionary<string, string> settings, bool measuresLatency = false)
    {
        var errors = new List<Diagnostic>();
        var outcome = new CompressionPipeline(d => { if (d.Severity == DiagnosticSeverity.Error) errors.Add(d); }).Run(new CompressionRequest
        {
            SourcePath = model,
            Identity = Path.GetFileName(model),
            OutputPath = output,
            Item = new SettingsSource("The benchmark", settings),
            Reports = [],
            Threads = Environment.ProcessorCount,
            MeasureLatency = measuresLatency,
        });
        return (outcome.Report, string.Join(' ', errors.Select(e => e.Code)));
    }
}
