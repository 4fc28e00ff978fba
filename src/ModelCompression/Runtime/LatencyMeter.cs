using System.Diagnostics;
using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Runtime.Latency;

namespace ModelCompression.Runtime;

/// <summary>
/// Times two models against each other in one process. Rounds of the two alternate, and which of them goes first alternates too, so that a change of the
/// machine's speed or load meets both alike; medians ignore single disturbances.
/// </summary>
public static class LatencyMeter
{
    /// <summary>Measures both models on one sample, opened as an application opens them.</summary>
    /// <param name="originalPath">Original model file.</param>
    /// <param name="compressedPath">Compressed model file.</param>
    /// <param name="sample">What to feed.</param>
    /// <param name="settings">How to measure, or null for the defaults.</param>
    /// <param name="cancellation">Stops between rounds.</param>
    /// <exception cref="DiagnosticException">MCB2040, MCB2041, MCB4040 or MCB4041: a model does not load or run.</exception>
    public static LatencyResult Measure(string originalPath, string compressedPath, Sample sample, LatencySettings? settings = null, CancellationToken cancellation = default)
    {
        settings ??= new LatencySettings();
        var session = SessionSettings.Default with { Threads = settings.Threads };
        using var original = ModelSession.Open(originalPath, session, ModelRole.Original);
        using var compressed = ModelSession.Open(compressedPath, session, ModelRole.Compressed);
        using var originalFeed = original.Prepare(sample.Inputs);
        using var compressedFeed = compressed.Prepare(sample.Inputs);
        return Measure(originalFeed.Run, compressedFeed.Run, settings, cancellation);
    }

    /// <summary>Measures two actions; separate from the models so that the order of events can be tested.</summary>
    internal static LatencyResult Measure(Action original, Action compressed, LatencySettings settings, CancellationToken cancellation)
    {
        for (int i = 0; i < settings.WarmUpRuns; i++)
        {
            original();
            compressed();
        }

        int originalRepeats = RepeatsFor(original, settings), compressedRepeats = RepeatsFor(compressed, settings);
        List<double> originalMs = [], compressedMs = [];
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < settings.MaxRounds; round++)
        {
            if (round >= settings.MinRounds && Stopwatch.GetElapsedTime(start) > settings.TimeLimit) break;
            cancellation.ThrowIfCancellationRequested();
            bool originalFirst = round % 2 == 0;
            if (originalFirst) originalMs.Add(TimeOf(original, originalRepeats));
            compressedMs.Add(TimeOf(compressed, compressedRepeats));
            if (!originalFirst) originalMs.Add(TimeOf(original, originalRepeats));
        }

        return new LatencyResult(Quantile(originalMs, 0.5), Quantile(compressedMs, 0.5), Spread(originalMs), Spread(compressedMs), originalMs.Count);
    }

    private static int RepeatsFor(Action action, LatencySettings settings) =>
        (int)Math.Clamp(Math.Ceiling(settings.MinRoundTime.TotalMilliseconds / Math.Max(TimeOf(action, 1), 1e-4)), 1, 10_000);

    private static double TimeOf(Action action, int repeats)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < repeats; i++) action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds / repeats;
    }

    private static double Spread(List<double> times) => (Quantile(times, 0.75) - Quantile(times, 0.25)) / Quantile(times, 0.5);

    /// <summary>Linear interpolation between the order statistics (type 7 of Hyndman and Fan).</summary>
    private static double Quantile(List<double> times, double q)
    {
        var sorted = times.Order().ToArray();
        double at = q * (sorted.Length - 1);
        int below = (int)at;
        return below + 1 < sorted.Length ? sorted[below] + ((at - below) * (sorted[below + 1] - sorted[below])) : sorted[below];
    }
}
