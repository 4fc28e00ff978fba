using System.Globalization;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes;

/// <summary>A whole number in a shape computation: like a <see cref="Dimension"/> a number, a symbol or unknown, but it may be negative.</summary>
/// <param name="Size">The number, or null.</param>
/// <param name="Symbol">The symbol, or null.</param>
internal readonly record struct Amount(long? Size, string? Symbol)
{
    public bool IsKnown => Size is not null;

    /// <summary>True if it is a number or a symbol.</summary>
    public bool IsStated => Size is not null || Symbol is not null;

    public static implicit operator Amount(long number) => new(number, null);

    public static implicit operator Amount(Dimension dimension) => new(dimension.Size, dimension.Symbol);

    /// <summary>A negative number is no size: unknown.</summary>
    public static implicit operator Dimension(Amount amount) =>
        amount.Size is { } size ? size >= 0 ? size : default(Dimension) : amount.Symbol is { } symbol ? Dimension.OfSymbol(symbol) : default;

    public override string ToString() => Size?.ToString(CultureInfo.InvariantCulture) ?? Symbol ?? "?";
}
