using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime.Fidelity;

/// <summary>Running sums of how far one floating point output is from its reference. Sums are in double and in element order.</summary>
internal sealed class OutputDistance
{
    private const int ChunkLength = 512;

    /// <summary>Σ r².</summary>
    public double ReferencePower { get; private set; }

    /// <summary>Σ a².</summary>
    public double ActualPower { get; private set; }

    /// <summary>Σ (r−a)².</summary>
    public double ErrorPower { get; private set; }

    /// <summary>Σ |r−a|.</summary>
    public double AbsoluteError { get; private set; }

    /// <summary>Σ r·a.</summary>
    public double Product { get; private set; }

    /// <summary>max |r−a|.</summary>
    public double MaxAbsoluteDifference { get; private set; }

    /// <summary>Elements compared: those finite in the reference.</summary>
    public long ElementCount { get; private set; }

    /// <summary>Elements that are NaN or infinite although the reference is finite; not in the sums.</summary>
    public long NonFiniteCount { get; private set; }

    /// <summary>20·log10(‖r‖/‖r−a‖) in dB; +∞ when equal, NaN when nothing was compared or the reference is zero.</summary>
    public double SqnrDb => Sqnr(ReferencePower, ErrorPower);

    /// <summary>Cosine of the angle between the vectors; 1 when both are zero, NaN when nothing was compared.</summary>
    public double Cosine => CosineOf(Product, ReferencePower, ActualPower, ElementCount);

    /// <summary>Adds a pair of tensors with equally many elements.</summary>
    public void Add(Tensor reference, Tensor actual)
    {
        // On the stack: an evaluation keeps one of these objects per sample.
        Span<double> left = stackalloc double[ChunkLength], right = stackalloc double[ChunkLength];
        int count = checked((int)reference.ElementCount);
        for (int start = 0; start < count; start += ChunkLength)
        {
            int length = Math.Min(ChunkLength, count - start);
            FloatElements.Read(reference, start, left[..length]);
            FloatElements.Read(actual, start, right[..length]);
            AddChunk(left[..length], right[..length]);
        }
    }

    /// <summary>Adds another distance's sums.</summary>
    public void Add(OutputDistance other)
    {
        ReferencePower += other.ReferencePower;
        ActualPower += other.ActualPower;
        ErrorPower += other.ErrorPower;
        AbsoluteError += other.AbsoluteError;
        Product += other.Product;
        MaxAbsoluteDifference = Math.Max(MaxAbsoluteDifference, other.MaxAbsoluteDifference);
        ElementCount += other.ElementCount;
        NonFiniteCount += other.NonFiniteCount;
    }

    private static double Sqnr(double reference, double error) =>
        error == 0 ? (reference > 0 ? double.PositiveInfinity : double.NaN) : reference == 0 ? double.NaN : 10 * Math.Log10(reference / error);

    private static double CosineOf(double product, double a, double b, long count)
    {
        if (count == 0) return double.NaN;
        if (a == 0 || b == 0) return a == b ? 1 : 0;
        return Math.Clamp(product / (Math.Sqrt(a) * Math.Sqrt(b)), -1, 1);
    }

    private void AddChunk(ReadOnlySpan<double> reference, ReadOnlySpan<double> actual)
    {
        double r2 = 0, a2 = 0, e2 = 0, e1 = 0, ra = 0, max = 0;
        long compared = 0;
        for (int i = 0; i < reference.Length; i++)
        {
            double r = reference[i], a = actual[i];
            if (!double.IsFinite(r)) continue;
            if (!double.IsFinite(a))
            {
                NonFiniteCount++;
                continue;
            }

            double e = r - a, size = Math.Abs(e);
            r2 += r * r;
            a2 += a * a;
            e2 += e * e;
            ra += r * a;
            e1 += size;
            if (size > max) max = size;
            compared++;
        }

        ReferencePower += r2;
        ActualPower += a2;
        ErrorPower += e2;
        AbsoluteError += e1;
        Product += ra;
        MaxAbsoluteDifference = Math.Max(MaxAbsoluteDifference, max);
        ElementCount += compared;
    }
}
