using ModelCompression.Numerics;
using ModelCompression.Numerics.NBits;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>Turns a weight into codes: finds the map of every group, rounds the scales to what will be stored, then rounds the elements.</summary>
internal sealed class NBitEncoder
{
    private readonly NBitPlan plan;
    private readonly Tensor weight;
    private readonly WeightGrid grid;
    private readonly GroupCodes codes;
    private readonly int tileRows;
    private MeanInput?[]? means;

    private NBitEncoder(NBitPlan plan)
    {
        this.plan = plan;
        weight = FloatElements.AsFloat(plan.Site.Tensor);
        grid = plan.Grid;
        // Only a zero point on a code keeps the zeros of pruned weights, and operators of a runtime have no others.
        int fine = plan.Codes.Kind == GroupCodeKind.Asymmetric && plan.Form == NBitFormKind.Folded && !weight.AsSpan<float>().Contains(0f) ? GroupCodes.FineZeroSteps(plan.Codes.Bits) : 1;
        codes = plan.Codes with { ZeroSteps = fine };
        tileRows = RowTile.RowCount(grid);
    }

    /// <summary>Encodes a weight; null when it has elements that are not <see cref="IsInReach"/>, such as NaN.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="rounder">Rounds rows otherwise than to nearest; null for that.</param>
    /// <param name="inputs">Mean inputs by group of rows, asked for when ranges are found; null for none.</param>
    /// <param name="packs">Whether codes may come packed where the form takes them so.</param>
    /// <param name="cancellation">Stops between tiles of the weight.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static NBitWeight? TryMake(NBitPlan plan, IRowRounder? rounder = null, Func<MeanInput?[]?>? inputs = null, bool packs = false, CancellationToken cancellation = default) =>
        new NBitEncoder(plan) { Rounder = rounder, Inputs = inputs, Packs = packs, Cancellation = cancellation }.Encode();

    private CancellationToken Cancellation { get; init; }

    private bool Packs { get; init; }

    private IRowRounder? Rounder { get; init; }

    private Func<MeanInput?[]?>? Inputs { get; init; }

    private bool IsToNearest => plan.Options.QuantizationAlgorithm == QuantizationAlgorithm.RoundToNearest;

    private NBitWeight? Encode()
    {
        if (Rounder is null && LaneEncoder.Applies(plan, codes))
        {
            means = Inputs?.Invoke();
            if (LaneEncoder.Takes(means, grid)) return LaneEncoder.TryMake(plan, weight, means, Packs, Cancellation);
        }

        double energy = Energy();
        if (!IsInReach(energy, weight.ElementCount)) return null;
        if (plan.HasPalette) return new PaletteEncoder(plan, weight, Cancellation).Encode(energy, Inputs?.Invoke());
        var maps = FindMaps();
        means ??= Rounder is null ? Inputs?.Invoke() : null;
        bool fits = means is not null && grid.RowsPerScale == 1;
        if (fits) ForRows((row, elements, input) => MeanFit.Fit(elements, grid.BlockLength, input, codes.Highest, maps.AsSpan(row * grid.Blocks, grid.Blocks)));
        var scales = StoredScales.Of(maps, grid, codes.Kind);
        for (int i = 0; i < maps.Length; i++) maps[i] = maps[i] with { Scale = scales.Effective[i] };
        byte[] result = GC.AllocateUninitializedArray<byte>(grid.ElementCount);
        var (noise, nonZeros) = Round(maps, result);
        float[] zeros = codes.Kind == GroupCodeKind.Asymmetric ? Array.ConvertAll(maps, m => m.Zero) : [];
        return new(result, scales, zeros, new(energy, noise)) { KeepsMean = means is not null && (fits || !IsToNearest), NonZeroCount = nonZeros };
    }

    /// <summary>
    /// True for elements whose squares, and those of what rounding leaves of them, have a sum in binary32; there scales are fitted. Beyond lie NaN and infinities, and with them weights that no trained
    /// model has: a root mean square above 1e15 or, unless all are zero, below 1e-15.
    /// </summary>
    /// <param name="energy">Σ w².</param>
    /// <param name="count">Number of elements.</param>
    public static bool IsInReach(double energy, long count) => energy == 0 || (energy / count is > 1e-30 and < 1e30);

    /// <summary>Visits the rows whose mean input is known.</summary>
    private void ForRows(RowWork body) => RowTile.ForEach(grid, tileRows, (first, count, space) =>
    {
        var tile = RowTile.Load(weight.AsSpan<float>(), grid, first, count, space);
        for (int row = 0; row < count; row++)
            if (InputOf(first + row) is { } input) body(first + row, tile.Slice(row * grid.Length, grid.Length), input);
    }, Cancellation);

    private MeanInput? InputOf(int row) => means?[row / (grid.Rows / means.Length)];

    private delegate void RowWork(int row, ReadOnlySpan<float> elements, MeanInput input);

    private double Energy()
    {
        int count = grid.ElementCount;
        var parts = new double[ElementBlocks.Count(count)];
        ElementBlocks.ForEach(count, -1, block =>
        {
            (int start, int length) = ElementBlocks.At(block, count);
            parts[block] = Lanes.Energy(weight.AsSpan<float>().Slice(start, length));
        });
        return parts.Sum();
    }

    private GroupMap[] FindMaps()
    {
        // The order within one group for the whole weight does not matter.
        if (plan.IsPerTensor) return [Find(weight.AsSpan<float>())];
        var maps = new GroupMap[grid.ScaleCount];
        int rows = Math.Max(1, tileRows / grid.RowsPerScale) * grid.RowsPerScale;
        RowTile.ForEach(grid, rows, (first, count, space) =>
        {
            var tile = RowTile.Load(weight.AsSpan<float>(), grid, first, count, space);
            for (int row = 0; row < count; row += grid.RowsPerScale)
            {
                var elements = tile.Slice(row * grid.Length, grid.RowsPerScale * grid.Length);
                int scale = (first + row) / grid.RowsPerScale * grid.Blocks;
                for (int b = 0; b < grid.Blocks; b++) maps[scale + b] = Find(grid.Blocks == 1 ? elements : grid.BlockOf(elements, b));
            }
        }, Cancellation);
        return maps;
    }

    private GroupMap Find(ReadOnlySpan<float> elements)
    {
        var map = MapSearch.Find(elements, codes);
        return plan.Options.QuantizationAlgorithm == QuantizationAlgorithm.Hqq ? HalfQuadratic.Improve(elements, map, codes) : map;
    }

    private (double Noise, long NonZeros) Round(GroupMap[] maps, byte[] result)
    {
        var noise = new double[(grid.Rows + tileRows - 1) / tileRows];
        long[] zeros = new long[noise.Length];
        RowTile.ForEach(grid, tileRows, (first, count, space) =>
        {
            var tile = RowTile.Load(weight.AsSpan<float>(), grid, first, count, space);
            var rounded = space.Codes(tile.Length);
            noise[first / tileRows] = RoundTile(tile, first, count, maps, rounded, space);
            zeros[first / tileRows] = Zeros(first, count, maps, rounded);
            if (plan.WantsRows) rounded.CopyTo(result.AsSpan(first * grid.Length));
            else RowTile.StoreCodes(rounded, grid, first, count, result);
        }, Cancellation);
        return (noise.Sum(), grid.ElementCount - zeros.Sum());
    }

    private long Zeros(int first, int count, GroupMap[] maps, ReadOnlySpan<byte> rounded)
    {
        if (codes.Kind != GroupCodeKind.Asymmetric) return rounded.Count((byte)codes.Middle);
        long zeros = 0;
        for (int row = 0; row < count; row++)
            for (int b = 0; b < grid.Blocks; b++)
            {
                float zero = maps[((first + row) / grid.RowsPerScale * grid.Blocks) + b].Zero;
                // No code is zero where zero lies between two.
                if (zero == MathF.Round(zero)) zeros += rounded.Slice((row * grid.Length) + (b * grid.BlockLength), Math.Min(grid.BlockLength, grid.Length - (b * grid.BlockLength))).Count((byte)zero);
            }

        return zeros;
    }

    private double RoundTile(ReadOnlySpan<float> tile, int first, int count, GroupMap[] maps, Span<byte> rounded, TileSpace space)
    {
        Rounder?.Round(tile, first, count, maps, rounded);
        double noise = 0;
        for (int row = 0; row < count; row++)
        {
            var elements = tile.Slice(row * grid.Length, grid.Length);
            var target = rounded.Slice(row * grid.Length, grid.Length);
            var rowMaps = maps.AsSpan((first + row) / grid.RowsPerScale * grid.Blocks, grid.Blocks);
            noise += Rounder is null ? RoundRow(elements, rowMaps, InputOf(first + row), target, space) : Noise(elements, rowMaps, target);
        }

        return noise;
    }

    private double RoundRow(ReadOnlySpan<float> row, ReadOnlySpan<GroupMap> maps, MeanInput? input, Span<byte> target, TileSpace space)
    {
        double noise = 0;
        for (int b = 0; b < grid.Blocks; b++)
        {
            var block = grid.BlockOf(row, b);
            var part = target.Slice(b * grid.BlockLength, block.Length);
            noise += GroupRounding.ToNearest(block, maps[b], codes.Highest, part);
        }

        return IsToNearest || input is null ? noise : noise + MeanPreservingRounding.Apply(row, maps, grid.BlockLength, input, codes.Highest, target, space.Moves);
    }

    private double Noise(ReadOnlySpan<float> row, ReadOnlySpan<GroupMap> maps, ReadOnlySpan<byte> target)
    {
        double noise = 0;
        for (int b = 0; b < grid.Blocks; b++)
        {
            var block = grid.BlockOf(row, b);
            noise += GroupRounding.Noise(block, maps[b], target.Slice(b * grid.BlockLength, block.Length));
        }

        return noise;
    }
}

/// <summary>Rounds rows of a weight with knowledge of the layer's inputs.</summary>
internal interface IRowRounder
{
    /// <summary>Rounds.</summary>
    /// <param name="rows">Elements, row after row.</param>
    /// <param name="first">Number of the first row.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="maps">Maps of the whole weight.</param>
    /// <param name="codes">Receives the codes.</param>
    void Round(ReadOnlySpan<float> rows, int first, int count, GroupMap[] maps, Span<byte> codes);
}
