using System.Runtime.CompilerServices;

namespace ModelCompression.Numerics.Products;

/// <summary>Takes the rows of a tile of products out of registers.</summary>
internal interface ITileSink<T> where T : struct, IVectorLanes<T>
{
    /// <summary>Takes a row of two vectors.</summary>
    void Take(int row, T left, T right);
}

/// <summary>Writes a tile down.</summary>
internal readonly ref struct StoredTile<T> : ITileSink<T> where T : struct, IVectorLanes<T>
{
    private readonly ref float tile;

    /// <summary>Writes to a place, row by row.</summary>
    public StoredTile(ref float tile) => this.tile = ref tile;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(int row, T left, T right)
    {
        left.Store(ref Unsafe.Add(ref tile, 2 * row * T.Count));
        right.Store(ref Unsafe.Add(ref tile, ((2 * row) + 1) * T.Count));
    }
}

/// <summary>Takes a tile into means and sums of squared deviations (Welford 1962).</summary>
internal readonly ref struct MomentTile<T> : ITileSink<T> where T : struct, IVectorLanes<T>
{
    private readonly ref float means;
    private readonly ref float squares;
    private readonly T share;

    /// <summary>Updates tiles of moments.</summary>
    /// <param name="means">Means.</param>
    /// <param name="squares">Sums of squared deviations.</param>
    /// <param name="share">1 over the number of mini-batches, this one included.</param>
    public MomentTile(ref float means, ref float squares, float share)
    {
        this.means = ref means;
        this.squares = ref squares;
        this.share = T.Fill(share);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(int row, T left, T right)
    {
        Update(2 * row * T.Count, left);
        Update(((2 * row) + 1) * T.Count, right);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Update(int at, T value)
    {
        T mean = T.Load(ref Unsafe.Add(ref means, at)), delta = T.Subtract(value, mean);
        mean = T.MultiplyAdd(delta, share, mean);
        mean.Store(ref Unsafe.Add(ref means, at));
        T.MultiplyAdd(delta, T.Subtract(value, mean), T.Load(ref Unsafe.Add(ref squares, at))).Store(ref Unsafe.Add(ref squares, at));
    }
}
