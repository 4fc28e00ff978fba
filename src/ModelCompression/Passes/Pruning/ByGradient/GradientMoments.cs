using System.Numerics;
using ModelCompression.Gradients;
using ModelCompression.Numerics.Products;

namespace ModelCompression.Passes.Pruning.ByGradient;

/// <summary>Mean and population standard deviation of each element over mini-batches, updated one mini-batch at a time (Welford 1962).</summary>
/// <param name="length">Number of elements.</param>
internal sealed class GradientMoments(int length)
{
    private readonly Lock gate = new();
    private Rows? rows;
    private MomentTiles? tiles;
    private int count;

    /// <summary>Means.</summary>
    public float[] Mean => Moments().Means;

    /// <summary>Adds mini-batches in order.</summary>
    /// <param name="batches">The mini-batches.</param>
    /// <param name="weight">The weight whose gradients these moments are of.</param>
    /// <returns>Position of the first mini-batch whose gradient is no finite number, or -1.</returns>
    public int Add(IReadOnlyList<MiniBatchGradients> batches, int weight)
    {
        bool areFactors = batches[0].Factors(weight) is not null;
        if (areFactors)
        {
            if (rows is not null) throw new InvalidOperationException("Moments of factors were read before the last mini-batch.");
            var factors = batches.Select(b => b.Factors(weight)!.Value).ToList();
            tiles ??= MomentTiles.Of(factors[0].Left.Columns, factors[0].Right.Columns);
            count += batches.Count;
            if (tiles.Add(factors)) return -1;
        }

        // Squares of factors overflow before gradients do, so these are looked at themselves.
        for (int t = 0; t < batches.Count; t++)
            if (!(areFactors ? batches[t].IsFinite(weight) : Add(batches[t].Array(weight)))) return t;
        return -1;
    }

    /// <summary>Adds a mini-batch.</summary>
    /// <returns>False if an element is no finite number.</returns>
    public bool Add(ReadOnlySpan<float> values)
    {
        count++;
        var (mean, square) = Moments();
        float share = 1f / count, rest = 0;
        // Infinities and NaN times zero are NaN, which a sum keeps.
        var zeros = Vector<float>.Zero;
        int i = 0;
        for (; i <= length - Vector<float>.Count; i += Vector<float>.Count)
        {
            var x = new Vector<float>(values[i..]);
            zeros += x * Vector<float>.Zero;
            var m = new Vector<float>(mean, i);
            var delta = x - m;
            m += delta * share;
            m.CopyTo(mean, i);
            (new Vector<float>(square, i) + (delta * (x - m))).CopyTo(square, i);
        }

        for (; i < length; i++)
        {
            float delta = values[i] - mean[i];
            mean[i] += delta * share;
            square[i] += delta * (values[i] - mean[i]);
            rest += values[i] * 0;
        }

        return !float.IsNaN(rest + Vector.Sum(zeros));
    }

    /// <summary>Population variance of an element.</summary>
    public float Variance(int index) => count == 0 ? 0 : Math.Max(0, Moments().Squares[index] / count);

    /// <summary>Population standard deviation of an element.</summary>
    public float Deviation(int index) => MathF.Sqrt(Variance(index));

    /// <summary>Mean of the squares of an element.</summary>
    public float MeanSquare(int index) => (Mean[index] * Mean[index]) + Variance(index);

    /// <summary>The moments row by row; readers on several threads wait for the first one to bring them into this order.</summary>
    private (float[] Means, float[] Squares) Moments()
    {
        if (Volatile.Read(ref rows) is { } known) return (known.Means, known.Squares);
        lock (gate)
        {
            if (rows is null)
            {
                var made = new Rows(LineAligned.Zeros(length), LineAligned.Zeros(length));
                tiles?.CopyTo(made.Means, made.Squares);
                tiles = null;
                Volatile.Write(ref rows, made);
            }

            return (rows.Means, rows.Squares);
        }
    }

    private sealed record Rows(float[] Means, float[] Squares);
}
