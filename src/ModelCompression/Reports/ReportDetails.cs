namespace ModelCompression.Reports;

/// <summary>What the HTML report shows besides the JSON report's figures. Collected only when that report is asked for.</summary>
public sealed record ReportDetails
{
    /// <summary>Weights before and after, of the layers that lost most.</summary>
    public IReadOnlyList<WeightHistogram> Histograms { get; init; } = [];

    /// <summary>Ranges of activations from calibration.</summary>
    public IReadOnlyList<RangeFigures> Ranges { get; init; } = [];

    /// <summary>Gradients of units or weights, for pruning by gradients; null otherwise.</summary>
    public GradientFigures? Gradients { get; init; }

    /// <summary>Classes before and after; null unless a classifier was validated with labels.</summary>
    public ConfusionFigures? Confusion { get; init; }
}

/// <summary>Counts of weights in equal steps from <see cref="Low"/> to <see cref="High"/>.</summary>
/// <param name="Node">First consumer.</param>
/// <param name="Weight">Name of the weight.</param>
/// <param name="Low">Left end of the first step.</param>
/// <param name="High">Right end of the last.</param>
/// <param name="Before">Counts before.</param>
/// <param name="After">Counts of the values used at run time.</param>
/// <param name="SqnrDb">Signal to noise of the weight.</param>
public sealed record WeightHistogram(string Node, string Weight, double Low, double High, IReadOnlyList<long> Before, IReadOnlyList<long> After, double? SqnrDb);

/// <summary>Range of an activation.</summary>
/// <param name="Tensor">Its name.</param>
/// <param name="Minimum">Lower end.</param>
/// <param name="Maximum">Upper end.</param>
public sealed record RangeFigures(string Tensor, double Minimum, double Maximum);

/// <summary>Gradients over training batches.</summary>
/// <param name="MeanThreshold">Threshold of the absolute mean, or null.</param>
/// <param name="StdThreshold">Threshold of the standard deviation, or null.</param>
/// <param name="Points">Units, or a sample of the weights.</param>
public sealed record GradientFigures(double? MeanThreshold, double? StdThreshold, IReadOnlyList<GradientPoint> Points);

/// <summary>Gradient of one unit.</summary>
/// <param name="Name">The unit.</param>
/// <param name="Mean">Mean over batches.</param>
/// <param name="Std">Standard deviation over batches.</param>
/// <param name="Removed">True if it was removed; null when units were removed by rank.</param>
public sealed record GradientPoint(string Name, double Mean, double Std, bool? Removed);

/// <summary>Predictions of a classifier by label.</summary>
/// <param name="Classes">Number of classes.</param>
/// <param name="Cells">Label, predicted class, and how often the original and the compressed model say so; without cells that are zero in both.</param>
public sealed record ConfusionFigures(int Classes, IReadOnlyList<ConfusionCell> Cells);

/// <summary>One cell.</summary>
/// <param name="Label">True class.</param>
/// <param name="Predicted">Predicted class.</param>
/// <param name="Original">Samples of the original.</param>
/// <param name="Compressed">Samples of the result.</param>
public sealed record ConfusionCell(int Label, int Predicted, int Original, int Compressed);
