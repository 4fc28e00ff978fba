namespace ModelCompression.Reports;

/// <summary>How <c>Strategy=Auto</c> came to its result.</summary>
public sealed record SearchFigures
{
    /// <summary>What was minimised.</summary>
    public required string Objective { get; init; }

    /// <summary>Samples that were run through candidates, relative to one trial: the cost of the search.</summary>
    public double TrialEquivalents { get; init; }

    /// <summary>What the search chose, as metadata: set with <c>Strategy=Fixed</c> it gives the same bytes.</summary>
    public required ChosenSettings Chosen { get; init; }

    /// <summary>Why the search ended.</summary>
    public required string Ended { get; init; }

    /// <summary>Cross-validation; null without folds.</summary>
    public CrossValidationFigures? CrossValidation { get; init; }
}

/// <summary>Metadata that a search chose.</summary>
/// <param name="Settings">For the <c>CompressModel</c> item, besides what it sets.</param>
/// <param name="Rules"><c>CompressModelRule</c> items; those of the project follow them.</param>
public sealed record ChosenSettings(IReadOnlyDictionary<string, string> Settings, IReadOnlyList<ChosenRule> Rules);

/// <summary>A rule that a search chose.</summary>
/// <param name="Nodes">Node names.</param>
/// <param name="Settings">Metadata.</param>
public sealed record ChosenRule(IReadOnlyList<string> Nodes, IReadOnlyDictionary<string, string> Settings);

/// <summary>Loss of the metric on samples that did not take part in the choice.</summary>
/// <param name="Folds">Number of folds.</param>
/// <param name="MeanDrop">Mean over the folds; null when infinite.</param>
/// <param name="Spread">Standard deviation over the folds; null when infinite.</param>
/// <param name="Margin">By how much the gate was tightened so that the mean stays within it.</param>
public sealed record CrossValidationFigures(int Folds, double? MeanDrop, double? Spread, double Margin);
