namespace ModelCompression.Analysis.Channels;

/// <summary>
/// Decides which factor of a product axis carries its channels. A position of the product is there as long as all of its factors' positions are, so removing one position
/// of a factor removes a whole slice of the product; with two factors shrinking at once, the two would depend on each other.
/// </summary>
/// <remarks>
/// A product with at most one factor that can shrink is clear. Of the others, the first in graph order is decided for its slowest factor (channels before positions in a
/// flattened picture, heads before the features of a head), its other factors then stay, and that may clear further products.
/// </remarks>
internal static class ProductResolution
{
    private const string NotTheCarrier = "it is a part of an axis whose other part carries the channels";

    public static void Run(ChannelTracer tracer)
    {
        var open = tracer.Products.ToList();
        while (open.Count > 0)
        {
            bool changed = true;
            while (changed)
            {
                changed = false;
                for (int i = 0; i < open.Count; i++)
                {
                    if (FreeFactors(tracer, open[i]).Count > 1) continue;
                    Settle(tracer, open[i]);
                    open.RemoveAt(i--);
                    changed = true;
                }
            }

            if (open.Count == 0) return;
            foreach (int other in FreeFactors(tracer, open[0]).Skip(1)) tracer.PinFactor(open[0].Factors[other], NotTheCarrier);
        }
    }

    /// <summary>Indices of the factors with a position that may go.</summary>
    private static List<int> FreeFactors(ChannelTracer tracer, AxisProduct product)
    {
        var free = new List<int>();
        for (int f = 0; f < product.Factors.Count; f++)
        {
            var factor = product.Factors[f];
            for (int i = 0; i < factor.Size; i++)
            {
                if (tracer.Labels.WhyPinned(factor.Start + i) is not null) continue;
                free.Add(f);
                break;
            }
        }

        return free;
    }

    /// <summary>Ties each position of the product to that of its carrier, or pins it when no factor can shrink.</summary>
    private static void Settle(ChannelTracer tracer, AxisProduct product)
    {
        var free = FreeFactors(tracer, product);
        int carrier = free.Count > 0 ? free[0] : Largest(product);
        int inner = 1;
        for (int f = carrier + 1; f < product.Factors.Count; f++) inner *= product.Factors[f].Size;
        int total = product.Factors.Aggregate(1, (count, factor) => count * factor.Size);
        var chosen = product.Factors[carrier];
        for (int i = 0; i < total; i++) tracer.Labels.Union(product.Start + i, chosen.Start + (i / inner % chosen.Size));
    }

    private static int Largest(AxisProduct product)
    {
        int largest = 0;
        for (int f = 1; f < product.Factors.Count; f++)
            if (product.Factors[f].Size > product.Factors[largest].Size) largest = f;
        return largest;
    }
}
