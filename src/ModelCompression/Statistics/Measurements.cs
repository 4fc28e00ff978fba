namespace ModelCompression.Statistics;

/// <summary>What a run learnt by running the model, as text that is exact to the last bit.</summary>
/// <param name="Ranges">Ranges of activations, <c>minimum maximum</c> by tensor.</param>
/// <param name="Values">Numbers and choices by step and place: little-endian binary32 in Base64, or words.</param>
/// <param name="Outcomes">SHA-256 of what is too large to be kept (refitted, trained and calibrated weights) by step and weight.</param>
public sealed record Measurements(IReadOnlyDictionary<string, string> Ranges, IReadOnlyDictionary<string, string> Values, IReadOnlyDictionary<string, string> Outcomes)
{
    /// <summary>Nothing was measured.</summary>
    public static Measurements None { get; } = new(new Dictionary<string, string>(), new Dictionary<string, string>(), new Dictionary<string, string>());
}
