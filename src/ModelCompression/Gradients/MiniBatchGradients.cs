using ModelCompression.Numerics.Products;

namespace ModelCompression.Gradients;

/// <summary>The gradients of weights in one mini-batch: each an array, or two blocks of rows whose product it is. Reused for the next mini-batch.</summary>
public sealed class MiniBatchGradients
{
    private readonly float[]?[] arrays;
    private readonly int[] lengths;
    private readonly (RowBlock Left, RowBlock Right)?[] factors;

    /// <summary>Starts without content.</summary>
    /// <param name="lengths">Elements of each gradient.</param>
    public MiniBatchGradients(IReadOnlyList<int> lengths)
    {
        this.lengths = [.. lengths];
        arrays = new float[lengths.Count][];
        factors = new (RowBlock, RowBlock)?[lengths.Count];
    }

    /// <summary>Takes the gradients in given arrays.</summary>
    public MiniBatchGradients(float[][] arrays) : this([.. arrays.Select(a => a.Length)]) => arrays.CopyTo(this.arrays, 0);

    /// <summary>Number of weights.</summary>
    public int Count => lengths.Length;

    /// <summary>Elements of all gradients.</summary>
    public long ElementCount => lengths.Sum(l => (long)l);

    /// <summary>The gradient of a weight, made when it is first asked for.</summary>
    public float[] Array(int weight) => arrays[weight] ??= new float[lengths[weight]];

    /// <summary>False if an element of a gradient is infinite or NaN.</summary>
    internal bool IsFinite(int weight)
    {
        float[] gradient = factors[weight] is null ? Array(weight) : new float[lengths[weight]];
        if (factors[weight] is { } factor) RowProducts.Add(factor.Left, factor.Right, gradient);
        return !gradient.AsSpan().ContainsAnyExceptInRange(float.MinValue, float.MaxValue);
    }

    /// <summary>The blocks A and B with the gradient AᵀB, or null where it is an array.</summary>
    internal (RowBlock Left, RowBlock Right)? Factors(int weight) => factors[weight];

    /// <summary>Adds rows to the factors of a weight.</summary>
    internal void AppendFactors(int weight, MatrixFactors sizes, ReadOnlySpan<float> left, ReadOnlySpan<float> right, bool isFirst)
    {
        var (a, b) = factors[weight] ??= (RowBlock.OfPanels(sizes.LeftColumns, RowProducts.TileRows), RowBlock.OfPanels(sizes.RightColumns, RowProducts.TileColumns));
        if (isFirst)
        {
            a.Clear();
            b.Clear();
        }

        a.Append(left, sizes.Scale);
        b.Append(right);
    }
}
