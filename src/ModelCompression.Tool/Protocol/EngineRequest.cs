using System.Security.Cryptography;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Reports;

namespace ModelCompression.Tool.Protocol;

/// <summary>Translates between the protocol and the engine.</summary>
internal static class EngineRequest
{
    /// <summary>Larger dependencies are compared by length and time only: hashing them would cost more than it saves.</summary>
    private const long LargestHashedByteLength = 256L << 20;

    /// <summary>A model of a request as the engine wants it.</summary>
    public static CompressionRequest From(RequestedModel model, BuildRequest request)
    {
        var settings = new Dictionary<string, string>(model.Settings, StringComparer.OrdinalIgnoreCase);
        var written = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var group in model.Data.GroupBy(d => d.Setting, StringComparer.OrdinalIgnoreCase))
        {
            settings[group.Key] = string.Join(';', group.Select(d => d.Path));
            written[group.Key] = string.Join(';', group.Select(d => d.Text));
        }

        return new CompressionRequest
        {
            SourcePath = model.Source,
            Identity = model.Identity,
            OutputPath = model.Output,
            WorkingDirectory = string.IsNullOrEmpty(request.ProjectDirectory) ? null : request.ProjectDirectory,
            Target = string.IsNullOrEmpty(model.Target) ? model.Identity : model.Target,
            Item = new SettingsSource($"CompressModel '{model.Identity}'", settings) { File = model.DefiningFile, Line = model.Line, Column = model.Column },
            WrittenPaths = written,
            Rules = [.. model.Rules.Select(Rule)],
            Reports = [.. model.Reports.Keys],
            Threads = request.Threads > 0 ? request.Threads : Environment.ProcessorCount,
        };
    }

    /// <summary>The engine's result as the protocol wants it.</summary>
    public static AnsweredModel Answer(RequestedModel model, CompressionOutcome outcome)
    {
        var report = outcome.Report!;
        var dependencies = outcome.Dependencies.Concat(model.Data.SelectMany(d => Files(d.Path))).Where(path => path != model.Source).Distinct(StringComparer.Ordinal);
        return new AnsweredModel
        {
            Identity = model.Identity,
            Output = model.Output,
            Status = outcome.Status == CompressionStatus.Compressed ? "compressed" : "original",
            OriginalBytes = report.Original.Bytes,
            CompressedBytes = report.Compressed.Bytes,
            Sha256 = report.Compressed.Sha256,
            Reports = outcome.ReportPaths,
            Summary = SummaryLine.Format(report),
            AdditionalOutputs = [.. outcome.AdditionalOutputs.Select(Hashed)],
            Dependencies = [new AnsweredFile(model.Source, report.Original.Sha256), .. dependencies.Select(Hashed)],
        };
    }

    private static SettingsSource Rule(RequestedRule rule) =>
        new($"CompressModelRule '{rule.Identity}'", rule.Settings) { File = rule.DefiningFile, Line = rule.Line, Column = rule.Column };

    private static IEnumerable<string> Files(string path) =>
        Directory.Exists(path) ? Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories) : [path];

    private static AnsweredFile Hashed(string path)
    {
        if (new FileInfo(path) is not { Exists: true, Length: <= LargestHashedByteLength } || FileKind.OtherThanFile(path) is not null) return new AnsweredFile(path, "");
        using var stream = File.OpenRead(path);
        return new AnsweredFile(path, Convert.ToHexStringLower(SHA256.HashData(stream)));
    }
}
