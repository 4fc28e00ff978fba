using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Views;

/// <summary>How the padding of a sliding window is stated.</summary>
public enum AutoPad
{
    /// <summary>By <see cref="WindowGeometry.Pads"/>.</summary>
    NotSet,

    /// <summary>So that the output has ⌈input/stride⌉ positions; the odd one is at the end.</summary>
    SameUpper,

    /// <summary>As <see cref="SameUpper"/>, the odd one at the beginning.</summary>
    SameLower,

    /// <summary>None.</summary>
    Valid,
}

/// <summary>The sliding window of a convolution or pooling operator, defaults applied. All lists have one entry per spatial axis, pads two.</summary>
/// <param name="AutoPad">How padding is stated.</param>
/// <param name="Kernel">Window sizes in elements, before dilation.</param>
/// <param name="Strides">Steps.</param>
/// <param name="Dilations">Distances between window elements.</param>
/// <param name="Pads">Begins of all axes, then ends; zeros unless <paramref name="AutoPad"/> is <see cref="AutoPad.NotSet"/>.</param>
public sealed record WindowGeometry(AutoPad AutoPad, IReadOnlyList<long> Kernel, IReadOnlyList<long> Strides, IReadOnlyList<long> Dilations, IReadOnlyList<long> Pads)
{
    /// <summary>Number of spatial axes.</summary>
    public int SpatialRank => Kernel.Count;

    /// <summary>Input elements a window spans along an axis.</summary>
    public long Extent(int axis) => ((Kernel[axis] - 1) * Dilations[axis]) + 1;

    /// <summary>True if the window is one element wide, moves by one and nothing is padded.</summary>
    public bool IsPointwise => Enumerable.Range(0, SpatialRank).All(i => Kernel[i] == 1 && Strides[i] == 1) && Pads.All(p => p == 0);

    /// <summary>Padding at both ends of an axis for an input of <paramref name="inputSize"/> elements.</summary>
    public (long Begin, long End) PadsFor(int axis, long inputSize)
    {
        if (AutoPad == AutoPad.NotSet) return (Pads[axis], Pads[axis + SpatialRank]);
        if (AutoPad == AutoPad.Valid) return (0, 0);
        long outputSize = (inputSize + Strides[axis] - 1) / Strides[axis];
        long total = Math.Max(0, ((outputSize - 1) * Strides[axis]) + Extent(axis) - inputSize);
        long small = total / 2;
        return AutoPad == AutoPad.SameUpper ? (small, total - small) : (total - small, small);
    }

    /// <summary>Number of window positions along an axis.</summary>
    internal Dimension OutputSize(SymbolTable symbols, int axis, Dimension inputSize, bool roundsUp = false)
    {
        if (AutoPad is AutoPad.SameUpper or AutoPad.SameLower) return symbols.CeilingDivide(inputSize, Strides[axis]);
        var room = symbols.Add(inputSize, Pads[axis] + Pads[axis + SpatialRank] - Extent(axis));
        if (!roundsUp) return symbols.Add(symbols.FloorDivide(room, Strides[axis]), 1);
        var positions = symbols.Add(symbols.CeilingDivide(room, Strides[axis]), 1);
        // The last window must start inside the input or its leading padding.
        return positions.Size is { } count && inputSize.Size is { } size
            ? count - ((count - 1) * Strides[axis] >= size + Pads[axis] ? 1 : 0)
            : Strides[axis] == 1 ? positions : default;
    }

    /// <summary>Reads the attributes all window operators share; null when lists have the wrong length or hold what no window can have.</summary>
    internal static WindowGeometry? Read(NodeAttributes attributes, IReadOnlyList<long> kernel)
    {
        int rank = kernel.Count;
        var pad = attributes.Text("auto_pad", "NOTSET") switch
        {
            "NOTSET" or "" => AutoPad.NotSet,
            "SAME_UPPER" => AutoPad.SameUpper,
            "SAME_LOWER" => AutoPad.SameLower,
            "VALID" => AutoPad.Valid,
            _ => (AutoPad?)null,
        };
        long[] strides = [.. attributes.Ints("strides") ?? Repeat(1, rank)];
        long[] dilations = [.. attributes.Ints("dilations") ?? Repeat(1, rank)];
        // ONNX Runtime ignores pads when auto_pad is set; files hold both.
        long[] pads = [.. pad == AutoPad.NotSet ? attributes.Ints("pads") ?? Repeat(0, 2 * rank) : Repeat(0, 2 * rank)];
        bool fits = pad is not null && strides.Length == rank && dilations.Length == rank && pads.Length == 2 * rank;
        bool isSane = ArePositive([.. kernel]) && ArePositive(strides) && ArePositive(dilations);
        return fits && isSane ? new(pad!.Value, kernel, strides, dilations, pads) : null;
    }

    private static bool ArePositive(long[] values) => Array.TrueForAll(values, v => v is >= 1 and < int.MaxValue);

    private static long[] Repeat(long value, int count)
    {
        var repeated = new long[count];
        Array.Fill(repeated, value);
        return repeated;
    }
}
