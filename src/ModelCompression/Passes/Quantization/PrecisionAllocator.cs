namespace ModelCompression.Passes.Quantization;

/// <summary>Divides bytes among weights so that the expected loss is least.</summary>
/// <remarks>
/// Minimises Σ noise-to-signal over all weights subject to a number of bytes: every weight's candidates are reduced to their lower convex hull over (bytes, noise),
/// and the steps along the hulls are taken in the order of noise saved per byte (Shoham and Gersho, "Efficient bit allocation for an arbitrary set of quantizers", 1988).
/// With equal sensitivity assumed this gives small weights more bits than large ones: a depthwise filter of 144 elements, which otherwise may cost a model half of its
/// accuracy, costs 150 bytes.
/// </remarks>
internal static class PrecisionAllocator
{
    /// <summary>Chooses one candidate per weight.</summary>
    /// <param name="candidates">Candidates of each weight; the one with the fewest bytes is where it starts.</param>
    /// <param name="byteLimit">Bytes that all weights together may take; when even the smallest candidates take more, those are chosen.</param>
    /// <param name="noiseTarget">No more bytes are spent once Σ noise-to-signal is at or below this.</param>
    public static PrecisionCandidate[] Choose(IReadOnlyList<IReadOnlyList<PrecisionCandidate>> candidates, long byteLimit, double noiseTarget)
    {
        var hulls = candidates.Select(Hull).ToArray();
        var steps = new List<HullStep>();
        for (int w = 0; w < hulls.Length; w++)
            for (int i = 1; i < hulls[w].Count; i++) steps.Add(new(Gain(hulls[w][i - 1], hulls[w][i]), w, i));
        steps.Sort((a, b) => a.Gain != b.Gain ? b.Gain.CompareTo(a.Gain) : a.Weight != b.Weight ? a.Weight.CompareTo(b.Weight) : a.Step.CompareTo(b.Step));
        var chosen = hulls.Select(h => h[0]).ToArray();
        var level = new int[hulls.Length];
        long bytes = chosen.Sum(c => c.ByteLength);
        double noise = chosen.Sum(c => c.NoiseToSignal);
        foreach (var (_, w, i) in steps)
        {
            if (noise <= noiseTarget) break;
            var next = hulls[w][i];
            if (level[w] != i - 1 || bytes + next.ByteLength - chosen[w].ByteLength > byteLimit) continue;
            bytes += next.ByteLength - chosen[w].ByteLength;
            noise += next.NoiseToSignal - chosen[w].NoiseToSignal;
            (chosen[w], level[w]) = (next, i);
        }

        return chosen;
    }

    /// <summary>A step along the hull of a weight. A class, so that sorting needs no code of its own.</summary>
    private sealed record HullStep(double Gain, int Weight, int Step);

    private static double Gain(PrecisionCandidate from, PrecisionCandidate to) => (from.NoiseToSignal - to.NoiseToSignal) / (to.ByteLength - from.ByteLength);

    /// <summary>The candidates on the lower convex hull, fewest bytes first: less noise for more bytes, with falling gain.</summary>
    private static List<PrecisionCandidate> Hull(IReadOnlyList<PrecisionCandidate> candidates)
    {
        var hull = new List<PrecisionCandidate>();
        foreach (var candidate in candidates.OrderBy(c => c.ByteLength).ThenBy(c => c.NoiseToSignal))
        {
            if (hull.Count > 0 && candidate.NoiseToSignal >= hull[^1].NoiseToSignal) continue;
            while (hull.Count > 1 && Gain(hull[^1], candidate) >= Gain(hull[^2], hull[^1])) hull.RemoveAt(hull.Count - 1);
            if (hull.Count > 0 && candidate.ByteLength == hull[^1].ByteLength) continue;
            hull.Add(candidate);
        }

        return hull;
    }
}
