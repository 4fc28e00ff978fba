namespace ModelCompression.Gradients;

/// <summary>What is differentiated.</summary>
public enum GradientLossKind
{
    /// <summary>Cross-entropy −Σ t·log p between class probabilities and targets, which are one-hot for labels and the original's probabilities for distillation.</summary>
    CrossEntropy,

    /// <summary>Squared error Σ w·(y − t)² of outputs.</summary>
    SquaredError,
}

/// <summary>What a model's class output holds.</summary>
public enum ClassScores
{
    /// <summary>Scores before a softmax.</summary>
    Logits,

    /// <summary>Probabilities.</summary>
    Probabilities,

    /// <summary>Logarithms of probabilities.</summary>
    LogProbabilities,
}

/// <summary>A target the gradient graph is fed with, beside the model's inputs.</summary>
/// <param name="Output">Name of the model's output it is compared with.</param>
/// <param name="InputName">Name of the graph input that takes the target, as binary32 in the output's shape ([rows, classes] for cross-entropy).</param>
/// <param name="WeightName">Squared error: name of the input that takes w, in a shape that can be broadcast; null for cross-entropy, whose targets carry their weight.</param>
/// <param name="Dims">Shape of the target.</param>
public sealed record GradientTarget(string Output, string InputName, string? WeightName, IReadOnlyList<long> Dims)
{
    /// <summary>Cross-entropy: what the output holds.</summary>
    public ClassScores Scores { get; init; }
}
