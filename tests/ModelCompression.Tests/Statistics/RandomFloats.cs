namespace ModelCompression.Tests.Statistics;

/// <summary>Seeded elements with a heavy tail.</summary>
internal static class RandomFloats
{
    public static float[] Make(int seed, int count, double scale = 1)
    {
        var random = new Random(seed);
        float[] x = new float[count];
        for (int i = 0; i < count; i++) x[i] = (float)(scale * (random.NextDouble() - 0.4) * Math.Exp(2 * random.NextDouble()));
        return x;
    }
}
