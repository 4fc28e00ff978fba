namespace ModelCompression.Options;

public static partial class OptionSchema
{
    private static IEnumerable<OptionDefinition> Validation()
    {
        var b = new OptionBuilder("Validation and gates");
        yield return b.List("ValidationData", "Samples on which the compressed model is judged against the original.", OptionKind.Data, DataAllowed, (o, v) => o with { ValidationData = v }, o => o.ValidationData);
        yield return b.Choice<Metric>("Metric", "How it is judged.", (o, v) => o with { Metric = v }, o => o.Metric, "Top1 with labels, else Cosine");
        yield return new OptionDefinition
        {
            Name = "MetricCommand",
            Kind = OptionKind.Text,
            Category = "Validation and gates",
            Meaning = "Your own program as the metric: run in the project's folder, gets the path of a model (in place of `{model}`, else appended) and prints one line of JSON such as `{\"metric\": 0.93}`; see [validation](validation.md).",
            Allowed = "a command line for the system's shell",
            Parse = (o, text) => o with { MetricCommand = text },
            Format = o => o.MetricCommand,
        };
        yield return b.Time("MetricTimeLimit", "Longest run of `MetricCommand` on one model.", (o, v) => o with { MetricTimeLimit = v }, o => o.MetricTimeLimit, "00:10:00");
        yield return b.Real("MaxMetricDrop", "Gate: largest loss of the metric.", "a real number", _ => true, (o, v) => o with { MaxMetricDrop = v }, o => o.MaxMetricDrop);
        yield return b.Real("MinMetric", "Gate: smallest metric of the compressed model.", "a real number", _ => true, (o, v) => o with { MinMetric = v }, o => o.MinMetric);
        yield return new OptionDefinition
        {
            Name = "MaxSize",
            Kind = OptionKind.Size,
            Category = "Validation and gates",
            Meaning = "Gate: largest file, external data included.",
            Allowed = "bytes with a unit (4MB, 512KiB) or percent of the original (25%)",
            Parse = (o, text) => OptionValueParsers.Size(text) is { } size ? o with { MaxSize = size } : null,
            Format = o => o.MaxSize is { } size ? OptionValueParsers.Format(size) : null,
        };
        yield return b.Real("MaxLatencyRatio", "Gate: largest compressed/original latency, measured interleaved in one run.", "a real number > 0", v => v > 0, (o, v) => o with { MaxLatencyRatio = v }, o => o.MaxLatencyRatio);
        yield return b.Choice<GateFailure>("OnFailure", "What a failed gate does: fail the build, warn, or ship the original and warn.", (o, v) => o with { OnFailure = v }, o => o.OnFailure, "Error");
    }

    private static IEnumerable<OptionDefinition> Search()
    {
        var b = new OptionBuilder("Search");
        yield return b.Choice<CompressionStrategy>("Strategy", "`Auto` searches methods and per-layer settings for the best `Objective` that passes every gate.", (o, v) => o with { Strategy = v }, o => o.Strategy, "Fixed");
        yield return b.Choice<SearchObjective>("Objective", "What the search minimises.", (o, v) => o with { Objective = v }, o => o.Objective, "Size");
        yield return b.Integer("SearchTrials", "Trials of the search.", 1, int.MaxValue, (o, v) => o with { SearchTrials = v }, o => o.SearchTrials, "24");
        yield return b.Time("SearchTimeLimit", "Time limit of the search; the best result so far is kept.", (o, v) => o with { SearchTimeLimit = v }, o => o.SearchTimeLimit);
        yield return b.Integer("CrossValidationFolds", "The search chooses on all folds but one and judges on that one.", 2, int.MaxValue, (o, v) => o with { CrossValidationFolds = v }, o => o.CrossValidationFolds, "");
    }
}
