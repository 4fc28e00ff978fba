using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Fourier transforms.</summary>
internal static class SignalRules
{
    public static void Register(RuleTable table)
    {
        table.Add("DFT", n => Transform(n, n.Axis("axis", 1, n.RequireShape(0, 2).Rank)), until: 19);
        table.Add("DFT", n => Transform(n, n.Normalize(n.HasInput(2) ? n.RequireContent(2).KnownIntegers?[0] ?? throw n.Refuse("the axis is computed at run time") : -2, n.RequireShape(0, 2).Rank)), since: 20);
        table.Add("STFT", ShortTime);
    }

    private static Dimension Scalar(NodeInference n, int input) => n.ContentOf(input)?.Elements.FirstOrDefault().Integer ?? default;

    private static void Transform(NodeInference n, int axis)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0, 2);
        Dimension length = n.HasInput(1) ? Scalar(n, 1) : x[axis];
        bool isOneSided = n.Attributes.Int("onesided", 0) != 0, isInverse = n.Attributes.Int("inverse", 0) != 0;
        if (isOneSided && !isInverse) length = n.Symbols.Add(n.Symbols.FloorDivide(length, 2), 1);
        var dimensions = x.Dimensions.Select((d, i) => i == axis ? length : d).ToArray();
        dimensions[^1] = isOneSided && isInverse ? 1 : 2;
        n.Set(0, n.ElementOf(0), dimensions);
    }

    /// <summary>Inputs: signal [B, length, 1 or 2], step, window, frame length; output [B, frames, bins, 2].</summary>
    private static void ShortTime(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0, 2);
        var step = Scalar(n, 1);
        Dimension length = n.HasInput(3) ? Scalar(n, 3)
            : n.ShapeOf(2) is { Rank: 1 } window ? window[0] : default;
        Dimension frames = n.Symbols.Add(n.Symbols.FloorDivide(n.Symbols.Subtract(x[1], length), step), 1);
        Dimension bins = n.Attributes.Int("onesided", 1) != 0 ? n.Symbols.Add(n.Symbols.FloorDivide(length, 2), 1) : length;
        n.Set(0, n.ElementOf(0), [x[0], frames, bins, 2]);
    }
}
