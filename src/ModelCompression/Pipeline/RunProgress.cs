namespace ModelCompression.Pipeline;

/// <summary>How far a run is.</summary>
/// <param name="Stage">What is being done, in a few words.</param>
/// <param name="Done">Steps done of this stage.</param>
/// <param name="Total">Steps of this stage; 0 when they cannot be counted.</param>
public readonly record struct RunProgress(string Stage, int Done, int Total);
