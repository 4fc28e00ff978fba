namespace ModelCompression.Runtime.Synthetic;

/// <summary>What integer inputs without a known meaning are filled with.</summary>
internal enum IntegerFill
{
    /// <summary>Small values below every table they index.</summary>
    Plausible,

    /// <summary>Ones.</summary>
    Ones,

    /// <summary>Zeros.</summary>
    Zeros,
}

/// <summary>One choice of what the model leaves open.</summary>
/// <param name="Spatial">Height and width of pictures.</param>
/// <param name="Length">Length of sequences and signals, and any other open size.</param>
/// <param name="Fill">Integer inputs.</param>
/// <param name="IsNormalized">Pictures in −2…2, as after subtracting a mean and dividing by a deviation, instead of 0…1.</param>
internal sealed record SyntheticAttempt(long Spatial, long Length, IntegerFill Fill = IntegerFill.Plausible, bool IsNormalized = false)
{
    /// <summary>
    /// The ladder, cheapest plausible sizes first: pictures in multiples of 32 as stride-32 networks want them, token counts, audio chunks (576 and 512 samples at 16 kHz:
    /// voice detectors that want 64 samples of what came before run without these, too, but hear nothing then; 80 ms, 1 s), 30 s of 10 ms frames, single steps, then other fillings. Normalized pictures are for detectors that see nothing in others.
    /// </summary>
    public static IReadOnlyList<SyntheticAttempt> Ladder { get; } =
    [
        new(64, 16), new(224, 32), new(320, 128), new(320, 128, IsNormalized: true), new(256, 576), new(128, 512), new(640, 1280), new(480, 3000), new(512, 16000), new(32, 1), new(96, 80),
        new(64, 16, IntegerFill.Ones), new(64, 16, IntegerFill.Zeros), new(224, 512, IntegerFill.Ones), new(1, 1, IntegerFill.Ones), new(1, 1, IntegerFill.Zeros),
    ];

    /// <summary>A choice that costs more to run and shows more.</summary>
    public static SyntheticAttempt Longer { get; } = new(128, 32);

    /// <summary>As many samples in one run, for models that take most of a run's time to read their weights.</summary>
    public static SyntheticAttempt LongerBatch { get; } = Longer with { Batch = 2 };

    /// <summary>Samples in a batch of open size.</summary>
    public int Batch { get; init; } = 1;
}
