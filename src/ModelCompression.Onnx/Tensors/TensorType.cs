using System.Globalization;

namespace ModelCompression.Onnx.Tensors;

/// <summary>One dimension of a shape: a size, a symbol, or unknown.</summary>
public readonly record struct Dimension
{
    private Dimension(long? size, string? symbol)
    {
        Size = size;
        Symbol = symbol;
    }

    /// <summary>The size, or null when it is symbolic or unknown.</summary>
    public long? Size { get; }

    /// <summary>The symbol (<c>dim_param</c>), or null.</summary>
    public string? Symbol { get; }

    /// <summary>The optional denotation (<c>DATA_BATCH</c>, …), or null.</summary>
    public string? Denotation { get; init; }

    /// <summary>Neither size nor symbol.</summary>
    public static Dimension Unknown => default;

    /// <summary>True if the size is known.</summary>
    public bool IsKnown => Size is not null;

    /// <summary>A dimension of known size.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="size"/> is negative.</exception>
    public static Dimension Of(long size)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        return new(size, null);
    }

    /// <summary>A dimension named by a symbol; two equal symbols are the same size.</summary>
    public static Dimension OfSymbol(string symbol) => symbol.Length == 0 ? default : new(null, symbol);

    /// <summary>A dimension of known size.</summary>
    public static implicit operator Dimension(long size) => Of(size);

    /// <inheritdoc/>
    public override string ToString() => Size?.ToString(CultureInfo.InvariantCulture) ?? Symbol ?? "?";
}

/// <summary>A shape: its dimensions. An unknown rank is a null <see cref="Shape"/>.</summary>
public sealed class Shape : IEquatable<Shape>
{
    /// <summary>Makes a shape.</summary>
    public Shape(params IEnumerable<Dimension> dimensions) => Dimensions = [.. dimensions];

    /// <summary>The dimensions; empty for a scalar.</summary>
    public IReadOnlyList<Dimension> Dimensions { get; }

    /// <summary>Number of dimensions.</summary>
    public int Rank => Dimensions.Count;

    /// <summary>The dimension at <paramref name="axis"/>, which may be negative to count from the end.</summary>
    public Dimension this[int axis] => Dimensions[axis < 0 ? axis + Rank : axis];

    /// <summary>True if every size is known.</summary>
    public bool IsStatic => Dimensions.All(d => d.IsKnown);

    /// <summary>Product of the sizes, or null if one is not known or the product does not fit in 63 bits.</summary>
    public long? ElementCount
    {
        get
        {
            if (!IsStatic) return null;
            if (Dimensions.Any(d => d.Size == 0)) return 0;
            UInt128 count = 1;
            foreach (var dimension in Dimensions)
            {
                count *= (ulong)dimension.Size!.Value;
                if (count > long.MaxValue) return null;
            }

            return (long)count;
        }
    }

    /// <summary>A shape of known sizes.</summary>
    public static Shape Of(params ReadOnlySpan<long> sizes)
    {
        var dimensions = new Dimension[sizes.Length];
        for (int i = 0; i < sizes.Length; i++) dimensions[i] = sizes[i];
        return new Shape(dimensions);
    }

    /// <inheritdoc/>
    public bool Equals(Shape? other) => other is not null && Dimensions.SequenceEqual(other.Dimensions);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Shape);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var dimension in Dimensions) hash.Add(dimension);
        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public override string ToString() => $"[{string.Join(',', Dimensions)}]";
}

/// <summary>The type of a value: a tensor, or one of ONNX's composite types.</summary>
public abstract record ValueType
{
    /// <summary>The optional denotation of the type (<c>TypeProto.denotation</c>).</summary>
    public string Denotation { get; init; } = "";
}

/// <summary>A dense tensor.</summary>
/// <param name="ElementType">Element type.</param>
/// <param name="Shape">Shape, or null when not even the rank is known.</param>
public sealed record TensorType(DataType ElementType, Shape? Shape) : ValueType;

/// <summary>A sparse tensor.</summary>
/// <param name="ElementType">Element type.</param>
/// <param name="Shape">Dense shape, or null.</param>
public sealed record SparseTensorType(DataType ElementType, Shape? Shape) : ValueType;

/// <summary>A sequence of one type.</summary>
/// <param name="Element">Element type, or null when not stated.</param>
public sealed record SequenceType(ValueType? Element) : ValueType;

/// <summary>An optional value.</summary>
/// <param name="Element">Type when present, or null when not stated.</param>
public sealed record OptionalType(ValueType? Element) : ValueType;

/// <summary>A map.</summary>
/// <param name="KeyType">Key type.</param>
/// <param name="Value">Type of the values, or null when not stated.</param>
public sealed record MapType(DataType KeyType, ValueType? Value) : ValueType;

/// <summary>A custom opaque type.</summary>
/// <param name="Domain">Domain.</param>
/// <param name="Name">Name in the domain.</param>
public sealed record OpaqueType(string Domain, string Name) : ValueType;
