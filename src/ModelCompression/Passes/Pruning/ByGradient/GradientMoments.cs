using System.Numerics;

namespace ModelCompression.Passes.Pruning.ByGradient;

/// <summary>Mean and population standard deviation of each element over mini-batches, updated one mini-batch at a time (Welford 1962).</summary>
/// <param name="length">Number of elements.</param>
internal sealed class GradientMoments(int length)
{
    private readonly float[] squares = new float[length];
    private int count;

    /// <summary>Means.</summary>
    public float[] Mean { get; } = new float[length];

    /// <summary>Adds a mini-batch.</summary>
    public void Add(ReadOnlySpan<float> values)
    {
        count++;
        float share = 1f / count;
        int i = 0;
        for (; i <= length - Vector<float>.Count; i += Vector<float>.Count)
        {
            var x = new Vector<float>(values[i..]);
            var mean = new Vector<float>(Mean, i);
            var delta = x - mean;
            mean += delta * share;
            mean.CopyTo(Mean, i);
            (new Vector<float>(squares, i) + (delta * (x - mean))).CopyTo(squares, i);
        }

        for (; i < length; i++)
        {
            float delta = values[i] - Mean[i];
            Mean[i] += delta * share;
            squares[i] += delta * (values[i] - Mean[i]);
        }
    }

    /// <summary>Population variance of an element.</summary>
    public float Variance(int index) => count == 0 ? 0 : Math.Max(0, squares[index] / count);

    /// <summary>Population standard deviation of an element.</summary>
    public float Deviation(int index) => MathF.Sqrt(Variance(index));

    /// <summary>Mean of the squares of an element.</summary>
    public float MeanSquare(int index) => (Mean[index] * Mean[index]) + Variance(index);
}
