using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Onnx.Threading;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Pipeline.Search;
using ModelCompression.Reports;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Fidelity;
using ModelCompression.Statistics;

namespace ModelCompression.Pipeline;

/// <summary>One model on its way from source to result.</summary>
internal sealed class CompressionRun : IDisposable
{
    /// <summary>SQNR below which a result that nothing else judges is worth a warning.</summary>
    private const double LowSqnrDb = 10;

    /// <summary>Collecting takes as long as a small model, and of those there may be many.</summary>
    private const long MinReleasedByteLength = 6L << 20;

    private const long MinLargeByteLength = 32L << 20;

    private readonly long allocatedBefore = GC.GetTotalAllocatedBytes();

    private readonly CompressionRequest request;
    private readonly CompressionSettings settings;
    private readonly Task<string> sourceDigest;
    private readonly MeasurementRecord measurements;
    private readonly Action<Diagnostic> report;
    private readonly PassLog log;
    private readonly StagingFolder staging;
    private IReadOnlyList<WeightHistogram> histograms = [];

    public CompressionRun(CompressionRequest request, CompressionSettings settings, Task<string> sourceDigest, MeasurementRecord measurements, Action<Diagnostic> report)
    {
        this.request = request;
        this.settings = settings;
        this.sourceDigest = sourceDigest;
        this.measurements = measurements;
        this.report = report;
        log = new PassLog
        {
            OnProgress = (stage, done, total) => request.Progress?.Invoke(new(stage, done, total)),
            // The page's pictures cost a look at the weights, so they are made for the page only.
            KeepsWeights = request.Reports.Contains("Html", StringComparer.OrdinalIgnoreCase),
        };
        staging = new StagingFolder(request.OutputPath);
    }

    /// <summary>The search that chose the settings, or null.</summary>
    public SearchOutcome? Search { get; init; }

    private CompressionOptions Options => settings.Model;

    /// <summary>True for settings that ask for other weights in as many bytes.</summary>
    private bool KeepsSize => Options.FineTuneEpochs > 0 || (Options is { SparseStorage: SparseStorage.Dense } && log.Layers.Any(l => l.PrunedShare > 0));

    /// <summary>Does the work.</summary>
    /// <exception cref="DiagnosticException">The model or its data cannot be used.</exception>
    public CompressionOutcome Execute(CancellationToken cancellation)
    {
        Tell("reading");
        // Loading the native library takes as long as reading the model. Whoever needs it first meets the error when it is missing.
        _ = Task.Run(OrtEnvironment.EnsureStarted, CancellationToken.None);
        using var model = OnnxReader.Read(request.SourcePath);
        ModelRequirements.Check(model);
        ScopeCheck.Run(model, request, settings, log, chosenRules: Search?.Figures.Chosen.Rules.Count ?? 0);
        using var data = RunData.Open(Options, model);
        var dependencies = model.ExternalDataFiles;
        var check = FidelityCheck.Start(request.SourcePath, model, data.FidelitySamples, cancellation: cancellation);
        try
        {
            var counter = new ModelCounter();
            var counted = ModelCounter.Begin(model);
            long byteLength = model.StoredByteLength;
            Tell("compressing");
            var needs = RuntimeNeeds.Of(model);
            var texts = SettingsText.Of(request, Options);
            PassPlan.Run(model, settings, data.Statistics(request.Threads, measurements, cancellation), data.Inputs(request.Threads, measurements, cancellation), data.Gradients(request.SourcePath, request.Threads, measurements), log, counter, texts, cancellation);
            histograms = log.KeepsWeights ? WeightHistograms.Of(model, log) : [];
            var original = counted.Complete() with { Bytes = byteLength, Sha256 = sourceDigest.GetAwaiter().GetResult() };
            Provenance.Stamp(model, texts, original.Sha256);
            Tell("writing");
            using var written = OnnxWriter.WriteAhead(model, staging.ModelPath, discards: true, cancellation);
            foreach (var note in model.Notes) log.Report(note);
            var compressed = counter.Result(log) with { Bytes = written.ByteLength };
            var judged = Judge(model, check, data, original, compressed, () => written.Sha256, texts, cancellation);
            if (judged is { Status: not "original" } && RuntimeNeeds.Of(model).BeyondThoseOf(needs, Options.Quantization) is { } need) Report(need);
            return judged is null ? new() { Status = CompressionStatus.Failed } : Publish(judged, dependencies);
        }
        finally
        {
            // Validation reads every sample, so what is odd about the data is known only now.
            foreach (var warning in data.Warnings) Report(warning);
            WaitFor(check);
            RecycledMemory.Shared.Trim();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => staging.Dispose();

    /// <summary>Compares, measures and gates; null when the result must not be shipped.</summary>
    private CompressionReport? Judge(Model model, FidelityCheck check, RunData data, ModelFigures original, ModelFigures compressed, Func<string> digest, IReadOnlyDictionary<string, string> texts, CancellationToken cancellation)
    {
        var run = check.Original;
        if (run.Problem is { } problem) throw new DiagnosticException(problem);
        string[] files = StagedFiles();
        var sample = data.FirstSample(check);
        bool isLarge = compressed.Bytes >= MinLargeByteLength;
        if (!isLarge) ReleaseGarbage();
        var measured = Aside.Run(() =>
        {
            // Three busy threads on two cores would hold up the opening of the compressed model, which everything waits for.
            if (isLarge) _ = digest();
            long gzipByteLength = FileDigest.GzipByteLength(files, Math.Max(1, request.Threads - 1));
            if (isLarge) ReleaseGarbage();
            return (MacsOfSource(sample), ModelCounter.Macs(model, sample), gzipByteLength);
        });
        Tell("comparing outputs");
        FidelityResult fidelity;
        try
        {
            fidelity = check.Compare(staging.ModelPath, cancellation);
        }
        finally
        {
            // The files must not be in use any more when the staging folder goes.
            ((IAsyncResult)measured).AsyncWaitHandle.WaitOne();
        }

        foreach (var error in fidelity.Errors) Report(error);
        if (!fidelity.Passed) return null;
        foreach (var diagnostic in log.Diagnostics) Report(diagnostic);

        var (originalMacs, compressedMacs, gzipBytes) = measured.GetAwaiter().GetResult();
        original = original with { Macs = originalMacs };
        compressed = compressed with { Sha256 = digest(), Macs = compressedMacs, GzipBytes = gzipBytes };
        string? whyOriginal = compressed.Bytes >= original.Bytes && !KeepsSize ? "these settings save no bytes" : null;
        if (whyOriginal is not null) return ReportOf(original, original, texts, fidelity: null) with { Status = "original", StatusReason = whyOriginal, FidelityReason = "the result is the original" };
        if (Doubt(fidelity) is { } warning) Report(warning);
        var program = MetricProgram.Of(Options, request.MetricFolder);
        if (program is not null) Tell("running MetricCommand");
        var validation = program is not null
            ? program.Evaluate(request.SourcePath, staging.ModelPath, cancellation)
            : data.Evaluate(request.SourcePath, staging.ModelPath, request.Threads, request.Progress, cancellation);
        bool timed = request.MeasureLatency || Options.MaxLatencyRatio is not null || Options.Objective == SearchObjective.Latency;
        if (timed) Tell("measuring latency");
        var latency = timed ? data.MeasureLatency(request.SourcePath, staging.ModelPath, check, cancellation) : null;
        var result = ReportOf(original, compressed, texts, fidelity) with { Latency = latency };
        return ApplyGates(result with { Validation = validation, Details = log.KeepsWeights ? Details(data) : null });
    }

    /// <summary>
    /// Opening the compressed model is where memory peaks. What passes have left behind would be collected some time later; by then it has been added to that peak.
    /// With a large model this happens beside the opening, where it costs nothing: a thread that is in ONNX Runtime does not wait for it. A small one is open before it would be over.
    /// </summary>
    private void ReleaseGarbage()
    {
        if (GC.GetTotalAllocatedBytes() - allocatedBefore >= MinReleasedByteLength) GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }

    /// <summary>Without a metric nobody else would say that the result may be useless.</summary>
    private Diagnostic? Doubt(FidelityResult fidelity)
    {
        string inputs = fidelity.Inputs.ToString().ToLowerInvariant();
        if (!fidelity.OriginalIsFinite)
            return Diagnostic.Warning("MCB4047", $"The original model gives nothing but NaN or infinite values on the {inputs} inputs, so there is nothing to compare the result with. Look for such values among its weights (the report names layers left alone for them), or give CalibrationData that it can work with.");
        if (Options.ValidationData.Count > 0 || Options.MetricCommand is not null || !fidelity.OutputsVary || !(fidelity.SqnrDb < LowSqnrDb)) return null;
        string figure = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"SQNR {fidelity.SqnrDb:0.0} dB on {inputs} inputs");
        return Diagnostic.Warning("MCB4045", $"The outputs are far from the original's: {figure}. Below {LowSqnrDb} dB the error is a third of the output or more. Give ValidationData to see what it does to the task; more WeightBits, lower Sparsity or ExcludeNodes for the worst layers of the report bring it closer.");
    }

    private CompressionReport? ApplyGates(CompressionReport result)
    {
        var gates = Gates.Evaluate(Options, result.Original, result.Compressed, result.Validation, result.Latency);
        bool metricPassed = gates.All(g => g.Passed || g.Name is not ("MaxMetricDrop" or "MinMetric"));
        result = result with { Gates = gates, Validation = result.Validation is { } v ? v with { Passed = metricPassed } : null };
        foreach (var diagnostic in Gates.NotJudged(Options, result.Latency)) Report(diagnostic);
        var failed = gates.Where(g => !g.Passed).ToList();
        foreach (var gate in failed)
        {
            var (code, message) = Gates.Describe(gate, result);
            string outcome = Options.OnFailure switch { GateFailure.Error => "", GateFailure.Warn => " It is shipped all the same (OnFailure=Warn).", _ => " The original is shipped instead (OnFailure=KeepOriginal)." };
            Report(new Diagnostic(code, Options.OnFailure == GateFailure.Error ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning, message + outcome));
        }

        if (failed.Count == 0 || Options.OnFailure == GateFailure.Warn) return result;
        if (Options.OnFailure == GateFailure.Error) return null;
        return result with { Status = "original", StatusReason = $"{failed[0].Name} was not met", Compressed = result.Original };
    }

    private CompressionOutcome Publish(CompressionReport result, IReadOnlyList<string> dependencies)
    {
        if (request.Lock is { ExpectedSha256: { } expected } locked && expected != result.Compressed.Sha256)
        {
            Report(locked.UnexpectedResult(result.Compressed.Sha256, measurements.DifferentOutcomes));
            return new() { Status = CompressionStatus.Failed };
        }

        bool original = result.Status == "original";
        if (original) staging.ReplaceWithOriginal(request.SourcePath, dependencies);
        string folder = Path.GetDirectoryName(request.OutputPath)!;
        string[] reports = [.. ReportFiles.Write(result, staging.ModelPath, request.Reports).Select(name => Path.Combine(folder, name))];
        var others = staging.Publish([request.SourcePath, .. dependencies]);
        return new()
        {
            Status = original ? CompressionStatus.Original : CompressionStatus.Compressed,
            Report = result,
            ReportPaths = reports,
            AdditionalOutputs = [.. others.Except(reports)],
            Dependencies = Options.MetricCommand is { } command ? [.. dependencies, .. MetricProgram.FilesOf(command, request.MetricFolder)] : dependencies,
            Measured = measurements.Measured,
        };
    }

    private CompressionReport ReportOf(ModelFigures original, ModelFigures compressed, IReadOnlyDictionary<string, string> texts, FidelityResult? fidelity) => new()
    {
        Model = request.Identity.Replace('\\', '/'),
        ToolVersion = ToolVersion.Current,
        Status = "compressed",
        Original = original,
        Compressed = compressed,
        Settings = texts,
        Pruning = ReportFigures.Pruning(Options, log),
        Quantization = new(Options.Quantization.ToString(), ReportFigures.WeightBits(Options)) { MeanBits = ReportFigures.MeanBits(log) },
        Fidelity = fidelity is { Samples: > 0, Cosine: not null } ? ReportFigures.Fidelity(fidelity) : null,
        FidelityReason = fidelity?.Reason ?? (IsFitted(fidelity) ? "weights were fitted to these samples; on others the outputs are farther from the original's, as ValidationData shows" : null),
        IsFidelityFitted = IsFitted(fidelity),
        Layers = [.. log.Layers.Select(ReportFigures.Layer)],
        Gates = [],
        Edits = [.. log.Edits.Select(e => new EditFigures(e.Pass, e.Target, e.Applied, e.Reason))],
        Search = Search?.Figures,
        Trials = Search?.Trials,
    };

    /// <summary>Refits, and codes chosen for a layer's inputs, bring outputs closer on the samples they have seen than on others.</summary>
    private bool IsFitted(FidelityResult? fidelity) => fidelity is { Inputs: SampleOrigin.Calibration }
        && ((Options.Pruning != PruningCriterion.None && Options.Compensation != Compensation.None && log.Layers.Any(l => l.PrunedShare > 0)) || log.Layers.Any(l => l.IsFitted));

    private ReportDetails Details(RunData data) => new()
    {
        Histograms = histograms,
        Ranges = ReportFigures.Ranges(measurements.Measured.Ranges),
        Gradients = ReportFigures.Gradients(Options, log),
        Confusion = data.Confusion,
    };

    private void Tell(string stage) => request.Progress?.Invoke(new(stage, 0, 0));

    private void Report(Diagnostic diagnostic) => report(diagnostic.File is null ? diagnostic with { File = request.SourcePath } : diagnostic);

    /// <summary>The graph in hand is edited by now; reading the source again costs little, since its weights stay where they are.</summary>
    private long MacsOfSource(Sample? sample)
    {
        using var source = OnnxReader.Read(request.SourcePath);
        return ModelCounter.Macs(source, sample);
    }

    private string[] StagedFiles() => [.. Directory.EnumerateFiles(staging.Folder).Order(StringComparer.Ordinal)];

    /// <summary>The original's run reads the source file; it must be over before the model is closed and the caller goes on.</summary>
    private static void WaitFor(FidelityCheck check)
    {
        try
        {
            _ = check.Original;
        }
        catch (Exception e) when (e is DiagnosticException or OperationCanceledException)
        {
            // Whoever needed the original's outputs has met the same exception; here only the end of the run matters.
        }
    }
}
