using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes;

/// <summary>
/// The sequence operators that rules use on dimensions. Named as in LINQ and preferred over it in this namespace, because the generic ones cannot be
/// compiled ahead of time for a struct of ours: compiling them was half of the time of a process that infers one model.
/// </summary>
internal static class DimensionSequences
{
    public static Dimension[] Select(this IReadOnlyList<Dimension> source, Func<Dimension, int, Dimension> convert)
    {
        var result = new Dimension[source.Count];
        for (int i = 0; i < result.Length; i++) result[i] = convert(source[i], i);
        return result;
    }

    public static Dimension[] Select(this IReadOnlyList<Dimension> source, Func<Dimension, Dimension> convert)
    {
        var result = new Dimension[source.Count];
        for (int i = 0; i < result.Length; i++) result[i] = convert(source[i]);
        return result;
    }

    public static Amount[] Select(this IReadOnlyList<Dimension> source, Func<Dimension, Amount> convert)
    {
        var result = new Amount[source.Count];
        for (int i = 0; i < result.Length; i++) result[i] = convert(source[i]);
        return result;
    }

    public static long[] Select(this IReadOnlyList<Dimension> source, Func<Dimension, long> convert)
    {
        var result = new long[source.Count];
        for (int i = 0; i < result.Length; i++) result[i] = convert(source[i]);
        return result;
    }

    public static Dimension[] Where(this IReadOnlyList<Dimension> source, Func<Dimension, int, bool> matches)
    {
        var result = new Dimension[source.Count];
        int count = 0;
        for (int i = 0; i < source.Count; i++)
            if (matches(source[i], i)) result[count++] = source[i];
        return result[..count];
    }

    public static Dimension[] Take(this IReadOnlyList<Dimension> source, int count) => Part(source, 0, Math.Clamp(count, 0, source.Count));

    public static Dimension[] Skip(this IReadOnlyList<Dimension> source, int count) => Part(source, Math.Clamp(count, 0, source.Count), source.Count);

    public static Dimension[] SkipLast(this IReadOnlyList<Dimension> source, int count) => Part(source, 0, Math.Clamp(source.Count - count, 0, source.Count));

    public static bool All(this IReadOnlyList<Dimension> source, Func<Dimension, bool> matches)
    {
        for (int i = 0; i < source.Count; i++)
            if (!matches(source[i])) return false;
        return true;
    }

    public static bool Any(this IReadOnlyList<Dimension> source, Func<Dimension, bool> matches)
    {
        for (int i = 0; i < source.Count; i++)
            if (matches(source[i])) return true;
        return false;
    }

    private static Dimension[] Part(IReadOnlyList<Dimension> source, int start, int end)
    {
        var result = new Dimension[end - start];
        for (int i = start; i < end; i++) result[i - start] = source[i];
        return result;
    }
}
