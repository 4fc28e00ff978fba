namespace ModelCompression.Pipeline.Search;

/// <summary>A method of one layer with what it costs and what it is expected to lose.</summary>
/// <param name="Method">Index of the method.</param>
/// <param name="Bytes">Bytes in the file.</param>
/// <param name="Noise">Expected contribution to the output's noise-to-signal ratio.</param>
internal readonly record struct CurvePoint(int Method, double Bytes, double Noise);

/// <summary>Divides output noise among layers so that the file is smallest.</summary>
/// <remarks>
/// Minimises Σ bytes + λ·Σ noise, which at each λ gives the smallest file for the noise it has: every layer by itself takes a vertex of the lower convex hull of its points
/// (Shoham and Gersho, "Efficient bit allocation for an arbitrary set of quantizers", 1988).
/// </remarks>
internal static class LayerCurve
{
    private const int Bisections = 60;

    /// <summary>The points on the lower convex hull, fewest bytes first.</summary>
    public static List<CurvePoint> Hull(IEnumerable<CurvePoint> points)
    {
        var hull = new List<CurvePoint>();
        foreach (var point in points.OrderBy(p => p.Bytes).ThenBy(p => p.Noise).ThenBy(p => p.Method))
        {
            if (hull.Count > 0 && point.Noise >= hull[^1].Noise) continue;
            if (hull.Count > 0 && point.Bytes == hull[^1].Bytes) continue;
            while (hull.Count > 1 && Gain(hull[^1], point) >= Gain(hull[^2], hull[^1])) hull.RemoveAt(hull.Count - 1);
            hull.Add(point);
        }

        return hull;
    }

    /// <summary>One point per layer: about the fewest bytes with no more noise than the target in total. The most exact points when the target is out of reach.</summary>
    public static CurvePoint[] Allocate(IReadOnlyList<IReadOnlyList<CurvePoint>> hulls, double targetNoise)
    {
        double low = -30, high = 60;
        for (int i = 0; i < Bisections; i++)
        {
            double middle = (low + high) / 2;
            if (At(hulls, Math.Exp(middle)).Sum(p => p.Noise) <= targetNoise) high = middle;
            else low = middle;
        }

        return Fill(hulls, At(hulls, Math.Exp(high)), targetNoise);
    }

    private static CurvePoint[] At(IReadOnlyList<IReadOnlyList<CurvePoint>> hulls, double lambda) =>
        [.. hulls.Select(hull => hull.MinBy(p => p.Bytes + (lambda * p.Noise)))];

    /// <summary>What is left up to the target is spent on single steps that save most bytes.</summary>
    private static CurvePoint[] Fill(IReadOnlyList<IReadOnlyList<CurvePoint>> hulls, CurvePoint[] chosen, double targetNoise)
    {
        double noise = chosen.Sum(p => p.Noise);
        while (true)
        {
            int best = -1;
            var point = default(CurvePoint);
            for (int l = 0; l < chosen.Length; l++)
            {
                foreach (var candidate in hulls[l])
                {
                    if (candidate.Bytes >= chosen[l].Bytes || noise + candidate.Noise - chosen[l].Noise > targetNoise) continue;
                    if (best < 0 || chosen[l].Bytes - candidate.Bytes > chosen[best].Bytes - point.Bytes) (best, point) = (l, candidate);
                }
            }

            if (best < 0) return chosen;
            noise += point.Noise - chosen[best].Noise;
            chosen[best] = point;
        }
    }

    private static double Gain(CurvePoint from, CurvePoint to) => (from.Noise - to.Noise) / (to.Bytes - from.Bytes);
}
