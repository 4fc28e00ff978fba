namespace ModelCompression.Runtime.Latency;

/// <summary>How latency is measured.</summary>
public sealed record LatencySettings
{
    /// <summary>Threads inside an operator; 1 disturbs and is disturbed least.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Runs of each model before timing starts.</summary>
    public int WarmUpRuns { get; init; } = 3;

    /// <summary>Fewest timed rounds of each model, whatever the time limit.</summary>
    public int MinRounds { get; init; } = 9;

    /// <summary>Most timed rounds of each model.</summary>
    public int MaxRounds { get; init; } = 101;

    /// <summary>No new round starts after this time once <see cref="MinRounds"/> are done.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>A round repeats a run until it takes about this long, so that the clock's resolution and interrupts matter little.</summary>
    public TimeSpan MinRoundTime { get; init; } = TimeSpan.FromMilliseconds(2);
}
