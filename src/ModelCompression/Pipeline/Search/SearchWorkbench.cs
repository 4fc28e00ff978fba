using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Evaluation;

namespace ModelCompression.Pipeline.Search;

/// <summary>Makes and measures candidates. Every result goes to the store; the original has run once, before the first.</summary>
/// <param name="request">The request that is searched for.</param>
/// <param name="added">Metadata that every candidate gets besides its own.</param>
/// <param name="sourceSha256">Digest of the source, for provenance, which takes bytes.</param>
/// <param name="data">Its data.</param>
/// <param name="evaluation">The original's outputs.</param>
/// <param name="folds">Folds of the samples.</param>
/// <param name="store">Results known.</param>
/// <param name="clock">Time limit.</param>
internal sealed class SearchWorkbench(CompressionRequest request, SortedDictionary<string, string> added, string sourceSha256, RunData data, RepeatedEvaluation evaluation, SampleFolds folds, TrialStore store, SearchClock clock)
{
    /// <summary>Models up to this size are opened from memory.</summary>
    private const long MaxInMemory = 512L << 20;

    private readonly bool hasCalibration = request.Item.Values.Any(v => v.Key.Equals("CalibrationData", StringComparison.OrdinalIgnoreCase) && !string.IsNullOrWhiteSpace(v.Value));

    /// <summary>Multiplications up to which refitting pruned layers is part of every trial: about a second.</summary>
    private const double MaxRefitProducts = 6e9;

    /// <summary>Multiplications up to which it is tried at all: minutes.</summary>
    private const double MaxRecoveryProducts = 1e12;

    /// <summary>True if refitting pruned layers takes too long to be part of every trial.</summary>
    public bool AvoidsRefit { get; private set; }

    /// <summary>True if trials with refitted layers are affordable although not all trials can be.</summary>
    public bool CanRefit { get; private set; }

    /// <summary>Decides how often pruned layers are refitted, by their work alone.</summary>
    public void Plan(IReadOnlyList<SearchLayer> layers)
    {
        double products = layers.Sum(l => l.RefitProducts);
        AvoidsRefit = hasCalibration && products > MaxRefitProducts && !request.Item.Values.Keys.Contains("Compensation", StringComparer.OrdinalIgnoreCase);
        CanRefit = AvoidsRefit && products <= MaxRecoveryProducts;
    }

    /// <summary>Share of a time limit that preparations may take; the rest is for trials.</summary>
    private const double PreparationShare = 0.4;

    /// <summary>True when what only prepares trials has taken its share of the time.</summary>
    public bool IsPreparationOver => clock.IsPast(PreparationShare);

    /// <summary>True when the time is used up; what only prepares trials is then left out.</summary>
    public bool IsLate => clock.IsLate;

    /// <summary>The user's program that judges models; null for a built-in metric.</summary>
    public MetricProgram? Program { get; init; }

    /// <summary>True to measure the latency of every trial against the original's.</summary>
    public bool MeasuresLatency { get; init; }

    /// <summary>Samples run so far, those of stored results included: what a search costs.</summary>
    public long FeedsRun { get; private set; }

    /// <summary>Samples of a whole trial.</summary>
    public int FeedCount => evaluation.FeedCount;

    /// <summary>Measures a candidate on all samples.</summary>
    public TrialResult Measure(SearchCandidate candidate, CancellationToken cancellation)
    {
        FeedsRun += evaluation.FeedCount;
        return store.GetOrAdd(MeasuresLatency ? "timed" : "trial", candidate.Key, SearchJson.Default.TrialResult, () => Run(candidate, [.. Enumerable.Range(0, evaluation.FeedCount)], isTrial: true, cancellation), r => !r.IsTransient);
    }

    /// <summary>Measures a candidate on a part of the samples, for the distance of its outputs.</summary>
    /// <param name="candidate">It.</param>
    /// <param name="feeds">The samples.</param>
    /// <param name="cancellation">Stops between samples.</param>
    public TrialResult Probe(SearchCandidate candidate, IReadOnlyList<int> feeds, CancellationToken cancellation)
    {
        FeedsRun += feeds.Count;
        return store.GetOrAdd(FormattableString.Invariant($"probe{feeds.Count}"), candidate.Key, SearchJson.Default.TrialResult, () => Run(Quick(candidate), feeds, isTrial: false, cancellation));
    }

    /// <summary>True if the settings of a candidate are possible at all, together with the user's.</summary>
    public bool IsValid(SearchCandidate candidate)
    {
        var applied = candidate.With(added).ApplyTo(request);
        bool contradicts = candidate.Settings.Any(s => request.Item.Values.Any(v => v.Key.Equals(s.Key, StringComparison.OrdinalIgnoreCase) && !string.IsNullOrWhiteSpace(v.Value) && !v.Value.Trim().Equals(s.Value, StringComparison.OrdinalIgnoreCase)));
        return !contradicts && OptionParser.Parse(applied.Item, applied.Rules, []) is not null;
    }

    /// <summary>Runs the passes only.</summary>
    public EncodingResult Encode(SearchCandidate candidate, CancellationToken cancellation) =>
        store.GetOrAdd("encoding", candidate.Key, SearchJson.Default.EncodingResult, () =>
        {
            try
            {
                using var made = Make(WithoutRefit(Quick(candidate)), out var log, cancellation);
                return new EncodingResult { Bytes = ByteLengthOf(made), Weights = [.. log.Layers.Select(l => new EncodedWeightFigures(l.Weight, l.OriginalBytes, l.CompressedBytes, Noise(l.SqnrDb)))] };
            }
            catch (DiagnosticException e)
            {
                return new EncodingResult { Problem = $"{e.Diagnostic.Code}: {e.Diagnostic.Message}" };
            }
        });

    /// <summary>The cleaned-up model that layers are taken from.</summary>
    public Model Cleaned(CancellationToken cancellation)
    {
        var candidate = new SearchCandidate("clean", new(StringComparer.Ordinal) { ["Preset"] = "Lossless" }, []);
        var values = request.Item.Values.Where(v => OptionSchema.Find(v.Key)?.Kind == OptionKind.Data || v.Key.Equals("Seed", StringComparison.OrdinalIgnoreCase));
        var plain = request with { Item = request.Item with { Values = values.ToDictionary(v => v.Key, v => v.Value) }, Rules = [] };
        return Make(candidate.ApplyTo(plain), out _, cancellation);
    }

    private TrialResult Run(SearchCandidate candidate, IReadOnlyList<int> feeds, bool isTrial, CancellationToken cancellation)
    {
        try
        {
            using var model = Make(candidate, out _, cancellation);
            string scratch = store.ScratchPath(candidate.Key + ".onnx");
            try
            {
                var (session, bytes) = Open(model, candidate, scratch, isTrial && Program is not null, cancellation);
                using (session)
                {
                    var result = Judge(evaluation.Evaluate(session, feeds, cancellation), feeds, bytes);
                    if (isTrial && Program is not null) result = result with { Metric = [Program.Run(scratch, cancellation).Metric] };
                    return isTrial && MeasuresLatency ? result with { LatencyRatio = evaluation.LatencyRatio(session, cancellation) } : result;
                }
            }
            finally
            {
                File.Delete(scratch);
                File.Delete(scratch + ".data");
            }
        }
        catch (DiagnosticException e)
        {
            return new TrialResult { Problem = $"{e.Diagnostic.Code}: {e.Diagnostic.Message}", IsTransient = e.Diagnostic.Code is "MCB5030" or "MCB5031" or "MCB5032" };
        }
    }

    /// <summary>Without the correction of biases, which takes two runs over the calibration data: predictions and sensitivities hold for all candidates alike.</summary>
    private SearchCandidate Quick(SearchCandidate candidate) => Uncorrected(AvoidsRefit ? WithoutRefit(candidate) : candidate);

    private SearchCandidate Uncorrected(SearchCandidate candidate) =>
        hasCalibration && !candidate.Settings.ContainsKey("BiasCorrection") && !request.Item.Values.Keys.Contains("BiasCorrection", StringComparer.OrdinalIgnoreCase)
            ? candidate.With(new(StringComparer.Ordinal) { ["BiasCorrection"] = "false" })
            : candidate;

    /// <summary>Without refitting pruned layers, which changes neither bytes nor what is removed, but takes far longer than all other passes.</summary>
    public SearchCandidate WithoutRefit(SearchCandidate candidate) => !hasCalibration ? candidate : new(
        candidate.Name, candidate.Settings, [.. candidate.Rules.Select(r => r.Settings.ContainsKey("Pruning") && !r.Settings.ContainsKey("Compensation")
            ? r with { Settings = new(r.Settings.Append(new("Compensation", "None")).ToDictionary(), StringComparer.Ordinal) }
            : r)]);

    private static (ModelSession Session, long Bytes) Open(Model model, SearchCandidate candidate, string scratch, bool asFile, CancellationToken cancellation)
    {
        if (!asFile && model.StoredByteLength <= MaxInMemory)
        {
            byte[] bytes = OnnxWriter.ToBytes(model);
            return (ModelSession.Open(bytes, candidate.Name, SessionSettings.Default, ModelRole.Compressed), bytes.Length);
        }

        var written = OnnxWriter.Write(model, scratch, cancellation);
        return (ModelSession.Open(scratch, SessionSettings.Default, ModelRole.Compressed), written.ByteLength);
    }

    private TrialResult Judge(FeedFigures[] figures, IReadOnlyList<int> feeds, long bytes)
    {
        double error = 0, power = 0, distortion = 0, rows = 0;
        foreach (var figure in figures)
        {
            error += figure.Distance.ErrorPower;
            power += figure.Distance.ReferencePower;
            distortion += figure.Distortion;
            rows += figure.Rows;
        }

        double sqnr = 10 * Math.Log10(power / error);
        return new TrialResult
        {
            Bytes = bytes,
            OutputNoise = double.IsFinite(distortion / rows) ? distortion / rows : null,
            SqnrDb = double.IsFinite(sqnr) ? Math.Round(sqnr, 2) : null,
            Metric = folds.Values(evaluation.Metric, feeds, [.. figures.Select(f => f.Sums)]),
        };
    }

    private Model Make(SearchCandidate candidate, out PassLog log, CancellationToken cancellation) => Make(candidate.With(added).ApplyTo(request), out log, cancellation);

    private Model Make(CompressionRequest applied, out PassLog log, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var problems = new List<Diagnostic>();
        var settings = OptionParser.Parse(applied.Item, applied.Rules, problems) ?? throw new DiagnosticException(problems[0]);
        var model = OnnxReader.Read(applied.SourcePath);
        try
        {
            log = new PassLog();
            var texts = SettingsText.Of(applied, settings.Model);
            PassPlan.Run(model, settings, data.Statistics(applied.Threads, null, cancellation), data.Inputs(applied.Threads, null, cancellation), data.Gradients(applied.SourcePath, applied.Threads), log, new ModelCounter(), texts, cancellation);
            Provenance.Stamp(model, texts, sourceSha256);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static long ByteLengthOf(Model model)
    {
        using var sink = new CountingStream();
        OnnxWriter.Write(model, sink);
        return sink.Position;
    }

    private static double Noise(double? sqnrDb) => sqnrDb is { } db ? Math.Pow(10, -db / 10) : 0;
}
