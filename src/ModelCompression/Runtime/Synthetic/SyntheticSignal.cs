namespace ModelCompression.Runtime.Synthetic;

/// <summary>
/// Float inputs. Pictures are smooth fields in [0, 1] with fine grain and some dark and light bars, or in [0, 255] where the model scales bytes itself; signals are smooth curves within ±0.5 with a little noise; states of recurrent networks are
/// small; everything else is near normal with unit variance. Only exact or correctly rounded arithmetic is used, so every machine makes the same values.
/// </summary>
internal static class SyntheticSignal
{
    private const int SignalMinLength = 256;

    /// <summary>Makes the elements of a float input in row-major order.</summary>
    /// <param name="plan">The input.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="isNormalized">Pictures in −2…2 where the model does not scale bytes itself.</param>
    /// <param name="random">Where values come from.</param>
    public static float[] Make(InputPlan plan, long[] shape, bool isNormalized, SeededRandom random)
    {
        var values = new float[shape.Aggregate(1L, (a, b) => checked(a * b))];
        var words = NameWords.Of(plan.Name);
        if (words.Any("mask", "temperature") || (values.Length <= 4 && words.Any("scale", "scale_factor", "scales"))) Array.Fill(values, 1f);
        else if (values.Length <= 1) Array.Fill(values, 0.5f);
        else if (IsState(plan.Name)) FillNormal(values, 0.1f, random);
        else if (PictureLayout(shape) is { } picture) FillPicture(values, picture, plan.PixelMaximum, isNormalized && plan.PixelMaximum == 1, random);
        else if (IsSignal(shape)) FillCurve(values, random);
        else FillNormal(values, 1f, random);
        return values;
    }

    /// <summary>True for the name of a state or cache that an application carries from one call to the next.</summary>
    public static bool IsState(string name)
    {
        var words = NameWords.Of(name);
        return words.Any("state", "states", "cache", "past", "past_key_values", "h0", "c0", "hx", "cx", "hn", "cn") || words.Is("h") || words.Is("c");
    }

    /// <summary>True for the shape of a picture.</summary>
    public static bool IsPicture(long[] shape) => PictureLayout(shape) is not null;

    private static bool IsSignal(long[] shape) => shape.Length is 1 or 2 or 3 && shape[^1] >= SignalMinLength && shape[..^1].All(d => d <= 2);

    private static void FillNormal(float[] values, float deviation, SeededRandom random)
    {
        for (int i = 0; i < values.Length; i++) values[i] = random.NextNormal() * deviation;
    }

    private static void FillCurve(float[] values, SeededRandom random)
    {
        const int knot = 16;
        float from = random.NextUnit() - 0.5f, to = from;
        for (int i = 0; i < values.Length; i++)
        {
            if (i % knot == 0) (from, to) = (to, random.NextUnit() - 0.5f);
            float t = (i % knot) / (float)knot;
            values[i] = from + ((to - from) * t) + ((random.NextUnit() - 0.5f) * 0.02f);
        }
    }

    /// <summary>(planes, height, width, channels in the innermost axis) of a rank 4 tensor with 1, 3 or 4 channels, or null.</summary>
    private static (long Planes, long Height, long Width, long Inner)? PictureLayout(long[] shape)
    {
        if (shape.Length != 4) return null;
        if (shape[1] is 1 or 3 or 4 && shape[2] > 1 && shape[3] > 1) return (shape[0] * shape[1], shape[2], shape[3], 1);
        return shape[3] is 1 or 3 or 4 && shape[1] > 1 && shape[2] > 1 ? (shape[0], shape[1], shape[2], shape[3]) : null;
    }

    /// <summary>Bilinear interpolation of an 8×8 grid of uniforms per plane and channel, plus grain of ±1/16, kept within [0, 1].</summary>
    private static void FillPicture(float[] values, (long Planes, long Height, long Width, long Inner) layout, float maximum, bool isNormalized, SeededRandom random)
    {
        const int cells = 8;
        var grid = new float[(cells + 1) * (cells + 1)];
        for (long plane = 0; plane < layout.Planes; plane++)
        {
            for (long channel = 0; channel < layout.Inner; channel++)
            {
                for (int i = 0; i < grid.Length; i++) grid[i] = random.NextUnit();
                for (long y = 0; y < layout.Height; y++)
                {
                    for (long x = 0; x < layout.Width; x++)
                    {
                        float value = Interpolate(grid, cells + 1, y * (float)cells / layout.Height, x * (float)cells / layout.Width);
                        long at = ((((plane * layout.Height) + y) * layout.Width) + x) * layout.Inner;
                        values[at + channel] = Math.Clamp(value + ((random.NextUnit() - 0.5f) * 0.125f), 0f, 1f) * maximum;
                    }
                }
            }
        }

        DrawBars(values, layout, maximum, random);
        if (!isNormalized) return;
        for (int i = 0; i < values.Length; i++) values[i] = (values[i] * 4) - 2;
    }

    /// <summary>Dark and light bars of many sizes, alike in all channels: edges, lines and strokes are what detectors and readers answer to.</summary>
    private static void DrawBars(float[] values, (long Planes, long Height, long Width, long Inner) layout, float maximum, SeededRandom random)
    {
        const int bars = 24;
        for (int bar = 0; bar < bars; bar++)
        {
            bool upright = random.NextUnit() < 0.5f;
            long width = Extent(layout.Width, upright), height = Extent(layout.Height, !upright);
            long left = random.NextBelow(layout.Width - width + 1), top = random.NextBelow(layout.Height - height + 1);
            float level = (random.NextUnit() < 0.5f ? 0.05f : 0.95f) * maximum;
            for (long plane = 0; plane < layout.Planes; plane++)
                for (long y = top; y < top + height; y++)
                    values.AsSpan((int)(((((plane * layout.Height) + y) * layout.Width) + left) * layout.Inner), (int)(width * layout.Inner)).Fill(level);
        }

        long Extent(long size, bool thin) => 1 + random.NextBelow(Math.Max(1, thin ? size / 32 : size / 3));
    }

    private static float Interpolate(float[] grid, int stride, float y, float x)
    {
        int row = (int)y, column = (int)x, at = (row * stride) + column;
        float v = y - row, u = x - column;
        float upper = grid[at] + ((grid[at + 1] - grid[at]) * u);
        float lower = grid[at + stride] + ((grid[at + stride + 1] - grid[at + stride]) * u);
        return upper + ((lower - upper) * v);
    }
}
