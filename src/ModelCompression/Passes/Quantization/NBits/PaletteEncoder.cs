using System.Numerics.Tensors;
using ModelCompression.Numerics.NBits;
using Tensor = ModelCompression.Onnx.Tensors.Tensor;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>
/// Turns a weight into indices of a palette of 2^bits values, found by k-means: for the tensor as it is, or, with scales per channel or block, for its elements divided by their
/// scale. Then the scales are fitted to the palette and the palette to the scales once more.
/// </summary>
/// <remarks>Weight sharing by k-means: Han, Mao, Dally, "Deep Compression", ICLR 2016.</remarks>
internal sealed class PaletteEncoder(NBitPlan plan, Tensor weight, CancellationToken cancellation)
{
    /// <summary>Parts with a histogram of their own; fixed, so that sums do not depend on the number of threads.</summary>
    private const int Parts = 16;

    private const int Rounds = 2;

    private readonly WeightGrid grid = plan.Grid;
    private readonly int tileRows = RowTile.RowCount(plan.Grid);

    /// <summary>True when weights are 0 exactly: one value of the palette is then 0, so that they stay so.</summary>
    private readonly bool keepsZeros = weight.AsSpan<float>().Contains(0f);

    /// <summary>Encodes.</summary>
    /// <param name="energy">Σ w².</param>
    /// <param name="means">Mean inputs by group of rows, for which rows are to keep their outputs; null for none.</param>
    public NBitWeight Encode(double energy, MeanInput?[]? means = null)
    {
        var scales = plan.IsPerTensor ? null : StoredScales.Of(LargestPerGroup(), grid, GroupCodeKind.Symmetric);
        var palette = new PaletteCodes(Palette(scales));
        for (int round = 1; round < Rounds && scales is not null; round++)
        {
            scales = StoredScales.Of(FittedScales(palette, scales), grid, GroupCodeKind.Symmetric);
            palette = new(Palette(scales));
        }

        byte[] codes = GC.AllocateUninitializedArray<byte>(grid.ElementCount);
        double noise = Encode(palette, scales, means, codes);
        float[] values = palette.Values.ToArray();
        int zero = Array.IndexOf(values, 0f);
        return new(codes, scales ?? StoredScales.None, [], new(energy, noise)) { Palette = values, KeepsMean = means is not null, NonZeroCount = codes.Length - (zero < 0 ? 0 : codes.AsSpan().Count((byte)zero)) };
    }

    private GroupMap[] LargestPerGroup() => PerGroup((x, _) =>
    {
        float largest = x.IsEmpty ? 0 : Math.Abs(TensorPrimitives.MaxMagnitude(x));
        return float.IsNormal(largest) ? largest : GroupMap.AnyScale;
    });

    private GroupMap[] FittedScales(PaletteCodes palette, StoredScales scales) => PerGroup((x, scale) => palette.FitScale(x, scales.Effective[scale]));

    private GroupMap[] PerGroup(ScaleOfGroup find)
    {
        var maps = new GroupMap[grid.ScaleCount];
        RowTile.ForEach(grid, Math.Max(1, tileRows / grid.RowsPerScale) * grid.RowsPerScale, (first, count, space) =>
        {
            var tile = RowTile.Load(weight.AsSpan<float>(), grid, first, count, space);
            for (int row = 0; row < count; row += grid.RowsPerScale)
            {
                int scale = (first + row) / grid.RowsPerScale * grid.Blocks;
                var rows = tile.Slice(row * grid.Length, grid.RowsPerScale * grid.Length);
                for (int b = 0; b < grid.Blocks; b++) maps[scale + b] = new(find(grid.Blocks == 1 ? rows : grid.BlockOf(rows, b), scale + b), 0);
            }
        }, cancellation);
        return maps;
    }

    private float[] Palette(StoredScales? scales)
    {
        int size = 1 << plan.Codes.Bits;
        float reach = 1;
        if (scales is null) reach = Math.Abs(TensorPrimitives.MaxMagnitude(weight.AsSpan<float>()));
        var histogram = Histogram(scales, reach);
        double[] means = PaletteClustering.Means(histogram, keepsZeros ? size - 1 : size);
        var values = new SortedSet<float>(means.Select(m => (float)m));
        if (keepsZeros || values.Count == 0) values.Add(0);
        return [.. values];
    }

    private WeightedHistogram Histogram(StoredScales? scales, float reach)
    {
        int tiles = (grid.Rows + tileRows - 1) / tileRows, parts = Math.Min(Parts, tiles);
        var histograms = new WeightedHistogram[parts];
        Parallel.For(0, parts, new ParallelOptions { CancellationToken = cancellation }, part =>
        {
            var histogram = histograms[part] = new(-reach, reach);
            var space = new TileSpace();
            for (int tile = (int)((long)tiles * part / parts); tile < (long)tiles * (part + 1) / parts; tile++)
            {
                cancellation.ThrowIfCancellationRequested();
                int first = tile * tileRows, count = Math.Min(tileRows, grid.Rows - first);
                var rows = RowTile.Load(weight.AsSpan<float>(), grid, first, count, space);
                for (int row = 0; row < count; row++)
                    for (int b = 0; b < grid.Blocks; b++)
                        histogram.Add(grid.BlockOf(rows.Slice(row * grid.Length, grid.Length), b), Scale(scales, first + row, b), keepsZeros);
            }
        });
        for (int part = 1; part < parts; part++) histograms[0].Add(histograms[part]);
        return histograms[0];
    }

    private double Encode(PaletteCodes palette, StoredScales? scales, MeanInput?[]? means, byte[] codes)
    {
        var noise = new double[(grid.Rows + tileRows - 1) / tileRows];
        RowTile.ForEach(grid, tileRows, (first, count, space) =>
        {
            var tile = RowTile.Load(weight.AsSpan<float>(), grid, first, count, space);
            var rounded = space.Codes(tile.Length);
            float[] own = new float[grid.Blocks];
            double sum = 0;
            for (int row = 0; row < count; row++)
            {
                var elements = tile.Slice(row * grid.Length, grid.Length);
                var target = rounded.Slice(row * grid.Length, grid.Length);
                for (int b = 0; b < grid.Blocks; b++)
                {
                    own[b] = Scale(scales, first + row, b);
                    sum += palette.Encode(grid.BlockOf(elements, b), own[b], target[(b * grid.BlockLength)..]);
                }

                if (means?[(first + row) / (grid.Rows / means.Length)] is { } input) sum += MeanPreservingPalette.Apply(elements, own, grid.BlockLength, palette.Values, input, target, space.Moves);
            }

            noise[first / tileRows] = sum;
            RowTile.StoreCodes(rounded, grid, first, count, codes);
        }, cancellation);
        return noise.Sum();
    }

    private float Scale(StoredScales? scales, int row, int block) => scales is null ? 1 : scales.Effective[(row / grid.RowsPerScale * grid.Blocks) + block];

    private delegate float ScaleOfGroup(ReadOnlySpan<float> elements, int scale);
}
