using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Channels;

/// <summary>Bounds of <c>Slice</c> in all forms it has had.</summary>
internal static class SliceBounds
{
    /// <summary>Start, end and step by axis as they are written, or null when one is not stored.</summary>
    public static Dictionary<int, (long Start, long End, long Step)>? Read(Node node, int rank)
    {
        var starts = ConstantIntegers.Of(node, "starts", 1);
        var ends = ConstantIntegers.Of(node, "ends", 2);
        var axes = ConstantIntegers.Of(node, "axes", 3);
        var steps = ConstantIntegers.Of(node.Input(4));
        if (starts is null || ends is null || (axes is null && node.Input(3) is not null) || (steps is null && node.Input(4) is not null)) return null;
        var bounds = new Dictionary<int, (long, long, long)>();
        for (int i = 0; i < starts.Length; i++) bounds[axes is null ? i : ConstantIntegers.Axis(axes[i], rank)] = (starts[i], ends[i], steps?[i] ?? 1);
        return bounds;
    }

    /// <summary>First position and the one behind the last of a range with step 1.</summary>
    public static (int First, int Last) Clamp((long Start, long End, long Step) range, int size)
    {
        long first = Math.Clamp(range.Start < 0 ? range.Start + size : range.Start, 0, size);
        long last = Math.Clamp(range.End < 0 ? range.End + size : range.End, first, size);
        return ((int)first, (int)last);
    }
}
