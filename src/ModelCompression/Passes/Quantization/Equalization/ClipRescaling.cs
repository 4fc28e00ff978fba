using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Quantization.Equalization;

/// <summary>Gives Clip bounds per channel: clip(x / s, low / s, high / s) = clip(x, low, high) / s.</summary>
internal static class ClipRescaling
{
    /// <summary>Min and Max broadcast.</summary>
    public const long MinOpset = 8;

    private const long BoundsAsInputsOpset = 11;

    /// <summary>Reads the bounds; infinite where there is none.</summary>
    public static bool TryGetBounds(Node clip, GraphScope scope, out float low, out float high)
    {
        (low, high) = (float.NegativeInfinity, float.PositiveInfinity);
        if (scope.Opset < BoundsAsInputsOpset)
        {
            (low, high) = (clip.GetFloat("min", float.MinValue), clip.GetFloat("max", float.MaxValue));
        }
        else if (!TryRead(clip.Input(1), scope, ref low) || !TryRead(clip.Input(2), scope, ref high))
        {
            return false;
        }

        if (low == float.MinValue) low = float.NegativeInfinity;
        if (high == float.MaxValue) high = float.PositiveInfinity;
        return low <= 0 || low <= high;
    }

    /// <summary>Replaces a Clip by Relu or Max, and Min, with one bound per channel.</summary>
    /// <param name="clip">The node.</param>
    /// <param name="divisors">What each channel has been divided by.</param>
    /// <param name="trailing">Axes after the channel's.</param>
    /// <param name="scope">Where it stands.</param>
    public static void Rewrite(Node clip, IReadOnlyList<double> divisors, int trailing, GraphScope scope)
    {
        TryGetBounds(clip, scope, out float low, out float high);
        var output = clip.Output()!;
        var value = clip.Input(0)!;
        if (low == 0) value = scope.Graph.InsertBefore(clip, "Relu", [value], output.Name + "_low");
        else if (float.IsFinite(low)) value = Bounded("Max", low, "_low");
        if (float.IsFinite(high)) value = Bounded("Min", high, "_high");
        value.Type = output.Type;
        output.ReplaceAllUsesWith(value);
        scope.Graph.RemoveNode(clip);

        Value Bounded(string opType, float bound, string suffix)
        {
            long[] shape = [divisors.Count, .. Enumerable.Repeat(1L, trailing)];
            var bounds = Tensor.Float(shape, [.. divisors.Select(d => (float)(bound / d))]);
            return scope.Graph.InsertBefore(clip, opType, [value, ConstantStorage.Add(scope, output.Name + suffix, bounds, clip)], output.Name + suffix);
        }
    }

    private static bool TryRead(Value? bound, GraphScope scope, ref float number)
    {
        if (bound is null) return true;
        if (!scope.TryGetFixed(bound, out var tensor) || tensor.DataType != DataType.Float || tensor.ElementCount != 1) return false;
        number = tensor.AsSpan<float>()[0];
        return !float.IsNaN(number);
    }
}
