using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using ModelCompression.Numerics.NBits;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>
/// <see cref="NBitEncoder"/> for blocks with zero points on codes, which is what most weights in few bits have: sixteen rows are searched, fitted and rounded while they are in a
/// core's cache, so that a weight is read from memory once, or twice where a row has few blocks.
/// </summary>
internal sealed class LaneEncoder
{
    /// <summary>Share of the expected squared error of a row's output from which the part that goes with the mean input is worth moving codes for.</summary>
    private const double LeastShare = 0.05;

    /// <summary>Elements of the longest block whose sixteen rows stay in a core's first-level cache while scales are tried.</summary>
    private const int MostLength = 256;

    [ThreadStatic]
    private static LaneSpace? ownSpace;

    private readonly NBitPlan plan;
    private readonly Tensor weight;
    private readonly WeightGrid grid;
    private readonly MeanInput?[]? means;
    private readonly bool packs;
    private readonly CancellationToken cancellation;
    private readonly int rowsPerTile;
    private readonly bool storesRows;
    private readonly GroupMap[] maps;
    private readonly float[] found;
    private readonly byte[] result;
    private readonly RecycledTensorData? pairs;
    private readonly double[] energies;
    private readonly double[] noises;
    private readonly long[] zeros;
    private readonly long[] zeroCodes;
    private readonly int[] misfits;
    private readonly float[] zeroPoints;

    private LaneEncoder(NBitPlan plan, Tensor weight, MeanInput?[]? means, bool packs, CancellationToken cancellation)
    {
        this.plan = plan;
        this.weight = weight;
        this.means = means;
        this.packs = packs;
        this.cancellation = cancellation;
        grid = plan.Grid;
        storesRows = StoredScales.AreOfRows(grid, plan.Codes.Kind);
        (maps, found) = storesRows ? ([], []) : (new GroupMap[grid.ScaleCount], new float[grid.ScaleCount]);
        zeroPoints = IsAsymmetric ? new float[grid.ScaleCount] : [];
        pairs = packs ? RecycledMemory.Shared.Allocate(grid.ElementCount / 2) : null;
        result = packs ? [] : GC.AllocateUninitializedArray<byte>(grid.ElementCount);
        rowsPerTile = LaneTile.GroupCount(grid) * LaneTile.Lanes;
        int tiles = (grid.Rows + rowsPerTile - 1) / rowsPerTile;
        (energies, noises, zeros, zeroCodes, misfits) = (new double[tiles], new double[tiles], new long[tiles], new long[tiles], new int[tiles]);
    }

    private bool IsAsymmetric => plan.Codes.Kind == GroupCodeKind.Asymmetric;

    private bool IsToNearest => plan.Options.QuantizationAlgorithm == QuantizationAlgorithm.RoundToNearest;

    /// <summary>True if it can encode a weight, given mean inputs that it <see cref="Takes"/>.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="codes">The codes that the weight gets.</param>
    public static bool Applies(NBitPlan plan, GroupCodes codes) => !plan.HasPalette && plan.Grid.RowsPerScale == 1 && plan.Grid.BlockLength <= MostLength
        && (codes.Kind == GroupCodeKind.Symmetric || codes is { Kind: GroupCodeKind.Asymmetric, ZeroSteps: 1 });

    /// <summary>True for mean inputs that rows side by side have in common, or none.</summary>
    /// <param name="means">Mean inputs by group of rows, or null.</param>
    /// <param name="grid">The weight.</param>
    public static bool Takes(MeanInput?[]? means, WeightGrid grid) => means is null || means.Length == 1 || grid.Rows / means.Length % LaneTile.Lanes == 0;

    /// <summary>Encodes a weight; null when it has NaN or infinite elements.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="weight">Its elements.</param>
    /// <param name="means">Mean inputs, or null.</param>
    /// <param name="packs">Whether codes may come packed where the form takes them so.</param>
    /// <param name="cancellation">Stops between tiles of the weight.</param>
    public static NBitWeight? TryMake(NBitPlan plan, Tensor weight, MeanInput?[]? means, bool packs, CancellationToken cancellation) =>
        new LaneEncoder(plan, weight, means, packs && plan.TakesPairs, cancellation).Encode();

    private NBitWeight? Encode()
    {
        // In few blocks scales are most likely stored in binary16; should one not fit, the weight is looked at again.
        var scales = storesRows ? StoredScales.OfRows(grid) : StoredScales.OfHalves(grid, plan.Codes.Kind);
        Run(finds: true, scales);
        double energy = energies.Sum();
        if (!NBitEncoder.IsInReach(energy, weight.ElementCount)) return null;
        weight.NonZeroCount = weight.ElementCount - zeros.Sum();
        if (scales is null || misfits.Sum() > 0) Run(finds: false, scales = StoredScales.Of(maps, grid, plan.Codes.Kind));
        return new(result, scales, zeroPoints, new(energy, noises.Sum())) { KeepsMean = means is not null, NonZeroCount = weight.ElementCount - zeroCodes.Sum(), Pairs = pairs };
    }

    private void Run(bool finds, StoredScales? scales)
    {
        if (noises.Length == 1) Work(0, finds, scales);
        else Parallel.For(0, noises.Length, new ParallelOptions { CancellationToken = cancellation }, tile => Work(tile, finds, scales));
    }

    private void Work(int tile, bool finds, StoredScales? scales)
    {
        var space = ownSpace ??= new();
        int first = tile * rowsPerTile, count = Math.Min(rowsPerTile, grid.Rows - first), padded = (count + LaneTile.Lanes - 1) / LaneTile.Lanes * LaneTile.Lanes;
        int length = padded / LaneTile.Lanes * grid.Length;
        var vectors = space.Vectors(length + (5 * grid.Blocks));
        var columns = vectors[..length];
        LaneTile.Load(weight.AsSpan<float>(), grid, first, count, columns);
        if (finds)
        {
            (energies[tile], zeros[tile]) = LaneRounding.Measure(columns);
            zeros[tile] -= (long)(padded - count) * grid.Length;
        }

        double noise = 0;
        long zeroed = 0;
        for (int row = 0; row < count; row += LaneTile.Lanes)
        {
            vectors[^grid.Blocks..].Fill(Vector512.Create((float)plan.Codes.Middle));
            var group = new RowGroup(first + row, Math.Min(LaneTile.Lanes, count - row), columns.Slice(row / LaneTile.Lanes * grid.Length, grid.Length), vectors[length..]);
            var shift = finds ? Find(group) : Recall(group);
            if (finds && !storesRows) misfits[tile] += Keep(group, scales);
            if (scales is not null) noise += Round(group, scales, shift, space, ref zeroed);
        }

        noises[tile] = noise;
        zeroCodes[tile] = zeroed;
    }

    /// <summary>Finds the scales that fit best and those that keep the outputs; returns what rounding with the former does to the outputs.</summary>
    private Vector512<float> Find(RowGroup group)
    {
        for (int b = 0, start = 0; b < grid.Blocks; b++, start += grid.BlockLength)
        {
            var block = group.Columns.Slice(start, Math.Min(grid.BlockLength, grid.Length - start));
            group.Found[b] = IsAsymmetric ? LaneZeroSearch.Find(block, plan.Codes, out group.Zeros[b]) : LaneSearch.Find(block, plan.Codes);
        }

        for (int row = 0; row < group.Count && IsAsymmetric; row++)
            for (int b = 0; b < grid.Blocks; b++) zeroPoints[((group.First + row) * grid.Blocks) + b] = RowGroup.Lane(group.Zeros, b, row);
        var input = InputOf(group.First);
        if (!storesRows && input is not null) LaneRounding.Choose(group.Columns, grid.BlockLength, input, group.Zeros, plan.Codes.Highest, group.Found);
        var shift = ShiftOf(group);
        if (input is not null) LaneRounding.Fit(shift, group.Sums, input.Variance, group.Found, group.Stored);
        else group.Found.CopyTo(group.Stored);
        return shift;
    }

    /// <summary>Notes the maps that were found and, where they are in binary16, the scales that will be stored; returns how many do not fit.</summary>
    private int Keep(RowGroup group, StoredScales? halves)
    {
        int misfit = 0;
        for (int row = 0; row < group.Count; row++)
        {
            for (int b = 0, at = (group.First + row) * grid.Blocks; b < grid.Blocks; b++, at++)
            {
                maps[at] = new(RowGroup.Lane(group.Stored, b, row), plan.Codes.Middle);
                found[at] = RowGroup.Lane(group.Found, b, row);
                if (halves is not null && !halves.TrySetHalf(at, maps[at].Scale)) misfit++;
            }
        }

        return misfit;
    }

    /// <summary>Brings back the scales and zero points that were found when the weight was looked at for the first time.</summary>
    private Vector512<float> Recall(RowGroup group)
    {
        Spread(group, found, group.Found);
        if (IsAsymmetric) Spread(group, zeroPoints, group.Zeros);
        return ShiftOf(group);
    }

    private double Round(RowGroup group, StoredScales stored, Vector512<float> shift, LaneSpace space, ref long zeroed)
    {
        Span<double> noise = stackalloc double[LaneTile.Lanes];
        var input = InputOf(group.First);
        var error = Store(group, stored, shift, input);
        var codes = space.Codes(grid.Length * LaneTile.Lanes);
        LaneRounding.ToNearest(group.Columns, grid.BlockLength, input is null ? group.Stored : group.Found, group.Stored, group.Zeros, plan.Codes.Highest, codes, noise);
        double total = 0;
        for (int row = 0; row < group.Count; row++)
        {
            total += noise[row];
            if (!IsToNearest && input is not null && (double)error[row] * error[row] > LeastShare * input.Variance * noise[row]) total += Move(group, row, input, codes, space);
        }

        // Lanes without a row hold zeros.
        zeroed += LaneRounding.CountZeros(codes, grid.BlockLength, group.Zeros) - ((LaneTile.Lanes - group.Count) * grid.Length);
        if (pairs is not null) LaneTile.StorePairs(codes, grid, group.First, group.Count, pairs.Memory.Span);
        else LaneTile.StoreCodes(codes, grid, group.First, group.Count, plan.WantsRows, result);
        return total;
    }

    /// <summary>Turns wanted scales into stored ones; returns what these leave of a row's shift. Where they are multiples, some of them change for that.</summary>
    private Vector512<float> Store(RowGroup group, StoredScales stored, Vector512<float> shift, MeanInput? input)
    {
        if (!storesRows)
        {
            Spread(group, stored.Effective, group.Stored);
            return input is null ? default : LaneScales.ShiftWith(shift, group.Sums, group.Found, group.Stored, Vector512<float>.One);
        }

        var steps = LaneScales.ToMultiples(group.Stored, StoredScales.MaxMultiple);
        var error = Vector512<float>.Zero;
        if (input is not null)
        {
            error = LaneScales.ShiftWith(shift, group.Sums, group.Found, group.Stored, steps);
            error = LaneScales.KeepOutput(group.Stored, steps, error, group.Sums, input.Variance, StoredScales.MaxMultiple);
        }

        for (int row = 0; row < group.Count; row++) stored.SetRow(group.First + row, MemoryMarshal.Cast<Vector512<float>, float>(group.Stored)[row..], LaneTile.Lanes, steps[row]);
        foreach (ref var scale in group.Stored) scale *= steps;
        return error;
    }

    private Vector512<float> ShiftOf(RowGroup group) =>
        InputOf(group.First) is { } input ? LaneRounding.Shift(group.Columns, grid.BlockLength, input, group.Zeros, plan.Codes.Highest, group.Found, group.Sums) : default;

    /// <summary>Puts the scales of rows side by side; missing rows get one to divide by.</summary>
    private void Spread(RowGroup group, float[] scales, Span<Vector512<float>> vectors)
    {
        if (group.Count < LaneTile.Lanes) vectors.Fill(Vector512<float>.One);
        var lanes = MemoryMarshal.Cast<Vector512<float>, float>(vectors);
        for (int row = 0; row < group.Count; row++)
        {
            var own = scales.AsSpan((group.First + row) * grid.Blocks, grid.Blocks);
            for (int b = 0; b < own.Length; b++) lanes[(b * LaneTile.Lanes) + row] = own[b];
        }
    }

    /// <summary>Moves codes of one row so that its output for the mean input stays, and returns by how much Σ (x − x̂)² has changed.</summary>
    private double Move(RowGroup group, int row, MeanInput input, Span<byte> codes, LaneSpace space)
    {
        var room = space.Row(grid.Length, grid.Blocks);
        Span<float> elements = room.Elements.Span;
        Span<byte> own = room.Codes.Span;
        var lanes = MemoryMarshal.Cast<Vector512<float>, float>(group.Columns);
        for (int k = 0; k < elements.Length; k++) elements[k] = lanes[(k * LaneTile.Lanes) + row];
        LaneTile.CopyLane(codes, row, own);
        for (int b = 0; b < room.Maps.Length; b++) room.Maps.Span[b] = new(RowGroup.Lane(group.Stored, b, row), RowGroup.Lane(group.Zeros, b, row));
        double change = MeanPreservingRounding.Apply(elements, room.Maps.Span, grid.BlockLength, input, plan.Codes.Highest, own, space.Moves);
        if (change != 0)
            for (int k = 0; k < own.Length; k++) codes[(k * LaneTile.Lanes) + row] = own[k];
        return change;
    }

    private MeanInput? InputOf(int row) => means?[row / (grid.Rows / means.Length)];

    /// <summary>Up to sixteen rows and what is known of their blocks, a vector per block each.</summary>
    private readonly ref struct RowGroup(int first, int count, ReadOnlySpan<Vector512<float>> columns, Span<Vector512<float>> space)
    {
        public readonly int First = first;
        public readonly int Count = count;
        public readonly ReadOnlySpan<Vector512<float>> Columns = columns;

        /// <summary>Scales that fit best.</summary>
        public readonly Span<Vector512<float>> Found = space[..(space.Length / 5)];

        /// <summary>Scales as they are wanted, then as they are stored.</summary>
        public readonly Span<Vector512<float>> Stored = space[(space.Length / 5 * 3)..(space.Length / 5 * 4)];

        /// <summary>Codes of zero.</summary>
        public readonly Span<Vector512<float>> Zeros = space[(space.Length / 5 * 4)..];

        /// <summary>Σ q·m, then Σ q².</summary>
        public readonly Span<Vector512<float>> Sums = space[(space.Length / 5)..(space.Length / 5 * 3)];

        /// <summary>Number of one row and block.</summary>
        public static float Lane(ReadOnlySpan<Vector512<float>> vectors, int block, int row) => MemoryMarshal.Cast<Vector512<float>, float>(vectors)[(block * LaneTile.Lanes) + row];
    }
}
