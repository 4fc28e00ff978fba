namespace ModelCompression.Statistics;

/// <summary>
/// Something learnt about one tensor from calibration samples: plain data whose size does not depend on the number of samples. A statistic that never saw its
/// tensor (<see cref="SampleCount"/> is 0) tells that the tensor cannot be observed: it lies inside a branch or loop, or is no floating point tensor.
/// </summary>
public abstract class TensorStatistic
{
    /// <summary>Number of samples merged so far.</summary>
    public int SampleCount { get; private set; }

    /// <summary>
    /// True if <see cref="Measure"/> adds to the statistic itself, because a partial result would be large: it is then called in sample order too, one sample at a time.
    /// </summary>
    public virtual bool MeasuresInOrder => false;

    /// <summary>Samples of which it must see every element: the first ones. Of the others the extremes of the channels are enough: see <see cref="MeasureExtremes"/>.</summary>
    public virtual int WholeSamples => int.MaxValue;

    /// <summary>Elements of an average sample; 0 before the first, and where they are not counted.</summary>
    public virtual double ElementCount => 0;

    /// <summary>What further samples may change, apart from <see cref="WholeSamples"/>; a statistic that has settled need not see them.</summary>
    public virtual Extremes Open => Extremes.Both;

    /// <summary>Looks at the tensor of one sample. Called for several samples at once unless <see cref="MeasuresInOrder"/>; must then not change the statistic.</summary>
    /// <returns>What <see cref="Merge"/> needs, or null.</returns>
    public abstract object? Measure(TensorView x);

    /// <summary>Looks at the extremes of the channels instead of at the tensor; see <see cref="WholeSamples"/>, otherwise like <see cref="Measure"/>.</summary>
    /// <param name="highs">[N, C, 1, …]: the largest elements, or some element where that is not <see cref="Open"/>.</param>
    /// <param name="lows">[N, C, 1, …]: the smallest, likewise.</param>
    public virtual object? MeasureExtremes(TensorView highs, TensorView lows) => throw new NotSupportedException($"{GetType().Name} must see every element.");

    /// <summary>Adds what <see cref="Measure"/> or <see cref="MeasureExtremes"/> returned. Called in sample order, one at a time, so that results do not depend on the number of threads.</summary>
    public abstract void Merge(object? partial);

    internal void Add(object? partial)
    {
        Merge(partial);
        SampleCount++;
    }
}

/// <summary>Something learnt about two tensors of the same sample. See <see cref="TensorStatistic"/> for the rules.</summary>
public abstract class PairStatistic
{
    /// <summary>Number of samples merged so far.</summary>
    public int SampleCount { get; private set; }

    /// <summary>Looks at the tensors of one sample, in sample order, one sample at a time.</summary>
    public abstract void Measure(TensorView x, TensorView y);

    internal void Add(TensorView x, TensorView y)
    {
        Measure(x, y);
        SampleCount++;
    }
}
