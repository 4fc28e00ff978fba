using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Views;

/// <summary>Known sizes of values.</summary>
internal static class StaticShape
{
    /// <summary>The sizes of a constant or of a value whose type is static; otherwise null.</summary>
    public static long[]? Of(Value value)
    {
        if (value.TryGetConstant(out var constant)) return [.. constant.Dims];
        return value.TensorType?.Shape is { IsStatic: true } shape ? [.. shape.Dimensions.Select(d => d.Size!.Value)] : null;
    }
}
