using ModelCompression.Onnx.Graph;

namespace ModelCompression.Runtime.Calibration;

/// <summary>What a model computes instead of a tensor of whose channels only extremes are wanted.</summary>
/// <param name="Highs">[N, C, 1, …]: <see cref="High"/> of it are the largest elements of the channels; null where nobody asks for them.</param>
/// <param name="Lows">The same for <see cref="Low"/> and the smallest elements; null where nobody asks for them, or there are none below 0.</param>
internal sealed record ReducedTensor(Value? Highs, Value? Lows)
{
    /// <summary>
    /// What x becomes in <see cref="Lows"/> where it is below 0: max(0, min(1, −x/2⁶⁴)), of which ONNX Runtime can take the maximum in the layout of its convolutions, unlike of −x.
    /// A power of 2 leaves all bits in place.
    /// </summary>
    public const float Mirror = -1f / (1L << 32) / (1L << 32);

    /// <summary>True if no element is below 0, and 0 may be given for the smallest.</summary>
    public bool StartsAtZero { get; init; }

    /// <summary>Makes the largest elements of the channels of what was reduced; null where it is those.</summary>
    public Action<Span<float>>? High { get; init; }

    /// <summary>Makes the smallest elements of the channels of the mirrored ones.</summary>
    public Action<Span<float>> Low { get; init; } = Unmirror;

    /// <summary>The reduced tensors, at least one.</summary>
    public IEnumerable<Value> Outputs => new[] { Highs, Lows }.OfType<Value>();

    /// <summary>A tensor whose elements are made of those of this one by a function that never falls.</summary>
    public ReducedTensor Then(Action<Span<float>> high, Action<Span<float>> low) => this with { High = High + high, Low = Low + low };

    /// <summary>Makes extremes of what a run returned. Where only one of them is wanted, it is given for the other, too: it is an element of the channel.</summary>
    /// <param name="highs">Elements of <see cref="Highs"/>; empty without.</param>
    /// <param name="lows">Elements of <see cref="Lows"/>; empty without.</param>
    /// <param name="largest">Takes the largest elements.</param>
    /// <param name="smallest">Takes the smallest.</param>
    public void Fill(ReadOnlySpan<float> highs, ReadOnlySpan<float> lows, Span<float> largest, Span<float> smallest)
    {
        highs.CopyTo(largest);
        if (!highs.IsEmpty) High?.Invoke(largest);
        lows.CopyTo(smallest);
        if (lows.IsEmpty && !StartsAtZero)
        {
            largest.CopyTo(smallest);
            return;
        }

        if (lows.IsEmpty) smallest.Clear();
        Low(smallest);
        if (highs.IsEmpty) smallest.CopyTo(largest);
    }

    /// <summary>The way back from <see cref="Mirror"/>; what it does not reach counts as infinite.</summary>
    private static void Unmirror(Span<float> mirrored)
    {
        foreach (ref float x in mirrored) x = x >= 1 ? float.NegativeInfinity : x / Mirror;
    }
}
