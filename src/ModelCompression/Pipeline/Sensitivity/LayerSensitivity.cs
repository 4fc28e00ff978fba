namespace ModelCompression.Pipeline.Sensitivity;

/// <summary>What quantizing one layer, and nothing else, does to the model's outputs.</summary>
public sealed record LayerSensitivity
{
    /// <summary>Name of the layer's first node.</summary>
    public required string Node { get; init; }

    /// <summary>Its operator.</summary>
    public required string OpType { get; init; }

    /// <summary>Bytes of the layer's weights.</summary>
    public long WeightBytes { get; init; }

    /// <summary>What was done to the weights.</summary>
    public string Action { get; init; } = "unchanged";

    /// <summary>Why nothing was done; empty otherwise.</summary>
    public string Reason { get; init; } = "";

    /// <summary>SQNR in dB of the weights themselves; null when nothing was done.</summary>
    public double? WeightSqnrDb { get; init; }

    /// <summary>SQNR in dB of all floating point outputs together, 20·log10(‖y‖/‖y − ŷ‖); null when they are equal or cannot be compared.</summary>
    public double? SqnrDb { get; init; }

    /// <summary>Share of samples whose highest score stays the same; null when no output has scores.</summary>
    public double? TopOneAgreement { get; init; }
}
