using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes;

/// <summary>What is known of one element of a small tensor: an integer (a number or a formula of symbols), a real number, or nothing.</summary>
/// <param name="Integer">The integer; unknown when it is not one.</param>
/// <param name="Real">The real number when it is not an integer.</param>
internal readonly record struct Element(Amount Integer, double? Real)
{
    /// <summary>The number, or null when it is symbolic or unknown.</summary>
    public double? Number => Real ?? Integer.Size;

    public bool IsUnknown => Real is null && !Integer.IsStated;

    public static Element Of(Amount integer) => new(integer, null);

    /// <summary>A number; integral values are kept as integers, so that they take part in symbolic arithmetic.</summary>
    public static Element OfNumber(double number) =>
        Math.Abs(number) < 1e15 && Math.Floor(number) == number ? Of((long)number) : new(default, number);
}

/// <summary>The partly known content of a small tensor, followed through shape computations.</summary>
/// <param name="Dims">Shape.</param>
/// <param name="Elements">Elements in row-major order.</param>
internal sealed record Content(long[] Dims, Element[] Elements)
{
    /// <summary>Tensors with more elements are not followed.</summary>
    public const int MaxElementCount = 256;

    public int Rank => Dims.Length;

    /// <summary>The elements as integers.</summary>
    public IEnumerable<Amount> Integers => Elements.Select(e => e.Integer);

    /// <summary>The elements as sizes; negative ones are unknown.</summary>
    public IEnumerable<Dimension> Sizes => Elements.Select(e => (Dimension)e.Integer);

    /// <summary>The elements as known integers, or null when one is not.</summary>
    public long[]? KnownIntegers => Elements.All(e => e.Integer.IsKnown) ? [.. Elements.Select(e => e.Integer.Size!.Value)] : null;

    /// <summary>The elements as known numbers, or null when one is not.</summary>
    public double[]? KnownNumbers => Elements.All(e => e.Number is not null) ? [.. Elements.Select(e => e.Number!.Value)] : null;

    public static Content Scalar(Element element) => new([], [element]);

    public static Content Vector(params IEnumerable<Amount> elements)
    {
        Element[] list = [.. elements.Select(Element.Of)];
        return new([list.Length], list);
    }

    /// <summary>Content about which only the shape is known, or null when that is not static or too large.</summary>
    public static Content? OfShape(Shape? shape) =>
        shape is { IsStatic: true } && shape.ElementCount is { } count and <= MaxElementCount
            ? new([.. shape.Dimensions.Select(d => d.Size!.Value)], new Element[count])
            : null;

    /// <summary>Reads a stored constant, or null when it is large or not numeric.</summary>
    public static Content? Read(Tensor tensor)
    {
        if (tensor.ElementCount > MaxElementCount) return null;
        Element[]? elements = tensor.DataType switch
        {
            DataType.Int64 => Map<long>(tensor, v => Element.Of(v)),
            DataType.Int32 => Map<int>(tensor, v => Element.Of(v)),
            DataType.Bool or DataType.UInt8 => Map<byte>(tensor, v => Element.Of(v)),
            DataType.Int8 => Map<sbyte>(tensor, v => Element.Of(v)),
            DataType.Float => Map<float>(tensor, v => Element.OfNumber(v)),
            DataType.Double => Map<double>(tensor, Element.OfNumber),
            DataType.Float16 => Map<Half>(tensor, v => Element.OfNumber((double)v)),
            _ => null,
        };
        return elements is null ? null : new([.. tensor.Dims], elements);
    }

    private static Element[] Map<T>(Tensor tensor, Func<T, Element> convert) where T : unmanaged
    {
        var source = tensor.AsSpan<T>();
        var elements = new Element[tensor.ElementCount];
        for (int i = 0; i < elements.Length; i++) elements[i] = convert(source[i]);
        return elements;
    }

    /// <inheritdoc/>
    public override string ToString() => $"[{string.Join(',', Dims)}] {{{string.Join(',', Elements.Select(e => e.Number is { } n ? FormattableString.Invariant($"{n}") : e.Integer.ToString()))}}}";
}
