using System.Globalization;

namespace ModelCompression.Options;

/// <summary>Combinations that make no sense (MCB1004) and methods this version does not have (MCB1006).</summary>
internal static class OptionCombinations
{
    /// <summary>Checks an item's options; <paramref name="given"/> are the names the user set explicitly, <paramref name="ruled"/> what its rules make of the options.</summary>
    public static void Check(SettingsSource source, CompressionOptions options, IReadOnlyList<CompressionOptions> ruled, IReadOnlySet<string> given, OptionParser.Problems problems)
    {
        // No error: what a search found without training is pasted in place of Strategy=Auto, beside the data that the search was given.
        if (given.Contains("TrainingData") && !ruled.Append(options).Any(UsesTrainingData))
            problems.Warn(source, "MCB1004", $"{source.What} sets TrainingData, which nothing uses: it is for FineTuneEpochs, Pruning=GradientStability or Taylor, and Strategy=Auto.");
        // No error: the target stays true whatever is done for it.
        if (given.Contains("TargetCpu") && options.TargetCpu != TargetCpu.Any && options.Strategy != CompressionStrategy.Auto && !ruled.Append(options).Any(ComputesWithIntegers))
            problems.Warn(source, "MCB1004", $"{source.What} sets TargetCpu={options.TargetCpu}, which changes nothing here: it keeps products of integers from saturating with Quantization=Dynamic and Static; this model computes with floats.");
        // A rule may make use of what the item sets.
        var ofRules = ruled.Select(r => Dependencies(r).Select(d => d.IsUseful).ToList()).ToList();
        foreach (var (i, (name, isUseful, need)) in Dependencies(options).Index())
            if (given.Contains(name) && !isUseful && !ofRules.Exists(r => r[i])) problems.Add(source, "MCB1004", $"{source.What} sets {name}, which has no effect here: {need}.");
        foreach (string missing in Missing(options)) problems.Add(source, "MCB1004", $"{source.What}: {missing}.");
        CheckAvailable(source, options, problems);
    }

    /// <summary>Checks what a rule makes of the options.</summary>
    public static void CheckRule(SettingsSource source, CompressionOptions options, OptionParser.Problems problems)
    {
        foreach (string missing in Missing(options)) problems.Add(source, "MCB1004", $"{source.What}: {missing}.");
        CheckAvailable(source, options, problems);
    }

    private static bool ComputesWithIntegers(CompressionOptions o) => o.Quantization is QuantizationMode.Dynamic or QuantizationMode.Static;

    private static bool UsesTrainingData(CompressionOptions o) =>
        o.FineTuneEpochs > 0 || o.Pruning is PruningCriterion.GradientStability or PruningCriterion.Taylor || o.Strategy == CompressionStrategy.Auto;

    private static IEnumerable<(string Name, bool IsUseful, string Need)> Dependencies(CompressionOptions o)
    {
        bool prunes = o.Pruning != PruningCriterion.None;
        bool integer = o.Quantization is QuantizationMode.WeightOnly or QuantizationMode.Dynamic or QuantizationMode.Static;
        bool activations = ComputesWithIntegers(o);
        const string needsPruning = "it needs Pruning other than None";
        const string needsInteger = "it needs Quantization=WeightOnly, Dynamic or Static";
        foreach (string name in new[] { "PruningPattern", "Sparsity", "PruningScope", "Compensation" }) yield return (name, prunes, needsPruning);
        yield return ("SparseStorage", integer || (prunes && o.PruningPattern.Kind != PruningPatternKind.Channel), "it is about zeros, which PruningPattern=Unstructured or N:M and quantization make");
        yield return ("ChannelMultiple", prunes && o.PruningPattern.Kind == PruningPatternKind.Channel, "it needs PruningPattern=Channel");
        bool byRow = o.Pruning is PruningCriterion.Wanda or PruningCriterion.SparseGpt && o.PruningPattern.Kind != PruningPatternKind.Channel;
        yield return ("PruningScope", !byRow, $"Pruning={o.Pruning} removes the same share of every layer");
        foreach (string name in new[] { "GradientMeanThreshold", "GradientStdThreshold" })
        {
            yield return (name, o.Pruning == PruningCriterion.GradientStability, "it needs Pruning=GradientStability");
            yield return (name, o.PruningPattern.Kind != PruningPatternKind.NOfM, "PruningPattern=N:M removes the same share everywhere, whatever the gradients are");
        }

        yield return ("GradientIterations", o.Pruning is PruningCriterion.GradientStability or PruningCriterion.Taylor, "it needs Pruning=GradientStability or Taylor");
        foreach (string name in new[] { "LearningRate", "FineTuneLoss" }) yield return (name, o.FineTuneEpochs > 0, "it needs FineTuneEpochs greater than 0");
        foreach (string name in new[] { "WeightBits", "QuantizationScheme", "QuantizationGranularity", "QuantizationAlgorithm", "Equalization", "BiasCorrection" })
            yield return (name, integer, needsInteger);
        yield return ("QuantizationFormat", o.Quantization != QuantizationMode.None, "it needs Quantization other than None");
        bool nBits = o.QuantizationFormat == QuantizationFormat.MatMulNBits;
        yield return ("ActivationBits", activations || (integer && (nBits || o.QuantizationGranularity == QuantizationGranularity.Block)), "it needs Quantization=Static or Dynamic, or weights in blocks");
        yield return ("BlockSize", integer && (nBits || o.QuantizationGranularity == QuantizationGranularity.Block), "it needs QuantizationGranularity=Block");
        foreach (string name in new[] { "CalibrationMethod" }) yield return (name, o.Quantization == QuantizationMode.Static, "it needs Quantization=Static");
        yield return ("CalibrationPercentile", o.CalibrationMethod == CalibrationMethod.Percentile, "it needs CalibrationMethod=Percentile");
        yield return ("CalibrationSamples", o.CalibrationData.Count > 0, "it needs CalibrationData");
        yield return ("Metric", o.ValidationData.Count > 0, "it needs ValidationData");
        yield return ("Metric", o.MetricCommand is null, "MetricCommand is the metric");
        yield return ("MetricTimeLimit", o.MetricCommand is not null, "it needs MetricCommand");
        foreach (string name in new[] { "MaxMetricDrop", "MinMetric" }) yield return (name, o.ValidationData.Count > 0 || o.MetricCommand is not null, "it needs ValidationData or MetricCommand");
        foreach (string name in new[] { "SearchTrials", "SearchTimeLimit", "CrossValidationFolds" }) yield return (name, o.Strategy == CompressionStrategy.Auto, "it needs Strategy=Auto");
    }

    private static IEnumerable<string> Missing(CompressionOptions o)
    {
        bool thresholds = o.GradientMeanThreshold is not null && o.GradientStdThreshold is not null;
        var pattern = o.PruningPattern;
        if (o.Pruning != PruningCriterion.None && pattern.Kind != PruningPatternKind.NOfM && o.Sparsity is null && !(o.Pruning == PruningCriterion.GradientStability && thresholds))
            yield return (o.GradientMeanThreshold ?? o.GradientStdThreshold) is not null && o.Pruning == PruningCriterion.GradientStability
                ? $"{(o.GradientMeanThreshold is null ? "GradientStdThreshold needs GradientMeanThreshold" : "GradientMeanThreshold needs GradientStdThreshold")}: a unit goes when both its mean and its deviation are within their thresholds"
                : "Pruning needs Sparsity (for example Sparsity=\"0.5\"), or a pattern such as PruningPattern=\"2:4\"" + (o.Pruning == PruningCriterion.GradientStability ? ", or GradientMeanThreshold and GradientStdThreshold" : "");
        if (pattern.Kind == PruningPatternKind.NOfM && o.Sparsity is { } sparsity && Math.Abs(sparsity - (1 - ((double)pattern.N / pattern.M))) > 1e-9)
            yield return string.Create(CultureInfo.InvariantCulture, $"PruningPattern={pattern} removes exactly {1 - ((double)pattern.N / pattern.M)} of the weights, but Sparsity is {sparsity}; leave Sparsity out");
        if (o.Quantization == QuantizationMode.Static && o.CalibrationData.Count == 0) yield return "Quantization=Static needs CalibrationData; without data use WeightOnly or Dynamic";
        if (o.Quantization == QuantizationMode.Float16 && o.QuantizationFormat is (QuantizationFormat.Qdq or QuantizationFormat.MatMulNBits))
            yield return "Quantization=Float16 needs QuantizationFormat=Auto, Folded (stored as binary16) or QOperator (computed in binary16)";
        if (o.Quantization == QuantizationMode.Dynamic && o.QuantizationFormat is not (QuantizationFormat.Auto or QuantizationFormat.QOperator))
            yield return "Quantization=Dynamic needs QuantizationFormat=Auto or QOperator (integer convolutions too)";
        if (o.Quantization == QuantizationMode.Dynamic && o.ActivationBits != 8) yield return "Quantization=Dynamic rounds activations to 8 bits; ActivationBits=16 needs Static";
        if (o.Equalization == Equalization.SmoothQuant && o.CalibrationData.Count == 0) yield return "Equalization=SmoothQuant needs CalibrationData; CrossLayer needs no data";
        foreach (string missing in NBitCombinations.Missing(o)) yield return missing;
        foreach (string missing in IntegerCombinations.Missing(o)) yield return missing;
        if (o.MetricCommand is not null && o.CrossValidationFolds is not null) yield return "CrossValidationFolds needs ValidationData: a MetricCommand judges all its samples at once";
        if (o.BiasCorrection == true && o.CalibrationData.Count == 0) yield return "BiasCorrection=true needs CalibrationData";
        if (o.FineTuneEpochs > 0 && o.TrainingData.Count == 0) yield return "FineTuneEpochs needs TrainingData";
        if (o.Pruning is PruningCriterion.GradientStability or PruningCriterion.Taylor && o.TrainingData.Count == 0) yield return $"Pruning={o.Pruning} needs TrainingData, with labels or expected outputs";
        if (o.Pruning is PruningCriterion.Wanda or PruningCriterion.SparseGpt && o.CalibrationData.Count == 0) yield return $"Pruning={o.Pruning} needs CalibrationData; Magnitude needs no data";
        if (o.Pruning == PruningCriterion.SparseGpt && pattern.Kind == PruningPatternKind.Channel) yield return "Pruning=SparseGpt chooses single weights; with PruningPattern=Channel use Wanda, Magnitude, Taylor or GradientStability";
        if (o.Compensation == Options.Compensation.LeastSquares && o.CalibrationData.Count == 0) yield return "Compensation=LeastSquares needs CalibrationData";
        if (o.Sparsity is not null && (o.GradientMeanThreshold ?? o.GradientStdThreshold) is not null) yield return "Sparsity and gradient thresholds exclude each other; give one of them";
    }

    private static void CheckAvailable(SettingsSource source, CompressionOptions o, OptionParser.Problems problems)
    {
        foreach (string what in Unavailable(o))
            problems.Add(source, "MCB1006", $"{source.What}: {what} is not available in this version; see docs/options.md for what is.");
    }

    private static IEnumerable<string> Unavailable(CompressionOptions o)
    {
        foreach (string missing in NBitCombinations.Unavailable(o)) yield return missing;
    }
}
