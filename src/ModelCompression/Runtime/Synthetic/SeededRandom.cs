namespace ModelCompression.Runtime.Synthetic;

/// <summary>A small generator (SplitMix64) whose values are the same on every machine: integer arithmetic, exact divisions, no library functions.</summary>
internal struct SeededRandom(ulong seed)
{
    private ulong state = seed;

    /// <summary>Mixes several numbers into one seed.</summary>
    public static SeededRandom From(params ReadOnlySpan<int> parts)
    {
        var random = new SeededRandom(0x9E3779B97F4A7C15);
        foreach (int part in parts) random = new SeededRandom(random.Next() ^ (uint)part);
        return random;
    }

    /// <summary>64 random bits.</summary>
    public ulong Next()
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>Uniform in [0, 1), a multiple of 2^-24 and so exact in binary32.</summary>
    public float NextUnit() => (Next() >> 40) * (1f / (1 << 24));

    /// <summary>Uniform in [0, <paramref name="exclusiveMax"/>).</summary>
    public long NextBelow(long exclusiveMax) => (long)(Next() % (ulong)exclusiveMax);

    /// <summary>Near normal with mean 0 and variance 1: the sum of 12 uniforms less 6, so within ±6.</summary>
    public float NextNormal()
    {
        long sum = 0;
        for (int i = 0; i < 12; i++) sum += (long)(Next() >> 40);
        return (sum - (6L << 24)) * (1f / (1 << 24));
    }
}
