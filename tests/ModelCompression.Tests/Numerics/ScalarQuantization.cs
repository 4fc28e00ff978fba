using ModelCompression.Numerics;

namespace ModelCompression.Tests.Numerics;

/// <summary>The kernels' arithmetic one element at a time, written from the definitions.</summary>
internal static class ScalarQuantization
{
    public static int ScaleOf(ChannelLayout layout, int element) =>
        (element / (layout.Outer * layout.Channels * layout.Inner) * layout.Channels) + (element / layout.Inner % layout.Channels);

    public static (float[] Min, float[] Max) Ranges(float[] elements, ChannelLayout layout)
    {
        var min = new float[layout.ScaleCount];
        var max = new float[layout.ScaleCount];
        var seen = new bool[layout.ScaleCount];
        for (int i = 0; i < elements.Length; i++)
        {
            int s = ScaleOf(layout, i);
            min[s] = seen[s] ? Math.Min(min[s], elements[i]) : elements[i];
            max[s] = seen[s] ? Math.Max(max[s], elements[i]) : elements[i];
            seen[s] = true;
        }

        return (min, max);
    }

    public static int Code(float element, AffineScale scale, CodeRange codes)
    {
        double rounded = Math.Round((double)(element / scale.Scale), MidpointRounding.ToEven);
        return (int)Math.Clamp(rounded + scale.ZeroPoint, codes.Lowest, codes.Highest);
    }
}
