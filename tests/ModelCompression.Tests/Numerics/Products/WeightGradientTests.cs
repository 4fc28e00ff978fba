using ModelCompression.Numerics.Products;

namespace ModelCompression.Tests.Numerics.Products;

[TestClass]
public sealed class WeightGradientTests
{
    public static IEnumerable<object[]> Convolutions =>
    [
        [new ConvolutionSizes(2, 1, 1, new(1, 1, 1, 1, 1, 0), new(5, 5, 1, 1, 1, 0))],
        [new ConvolutionSizes(3, 3, 5, new(8, 8, 3, 1, 1, 1), new(7, 7, 3, 1, 1, 1))],
        [new ConvolutionSizes(2, 32, 8, new(14, 7, 3, 2, 1, 1), new(14, 7, 3, 2, 1, 1))],
        [new ConvolutionSizes(2, 17, 13, new(13, 9, 3, 1, 2, 0), new(13, 9, 3, 1, 2, 0))],
        [new ConvolutionSizes(1, 4, 7, new(30, 30, 5, 1, 1, 2), new(20, 6, 5, 3, 1, 0))],
        // Elements at the beginning and end that no window meets.
        [new ConvolutionSizes(2, 2, 3, new(9, 3, 2, 2, 1, -2), new(9, 3, 2, 2, 1, -1))],
        [new ConvolutionSizes(2, 5, 6, new(6, 4, 1, 2, 1, 1), new(1, 1, 1, 1, 1, 0))],
        [new ConvolutionSizes(2, 32, 32, new(12, 12, 3, 1, 1, 1), new(10, 5, 3, 2, 1, 1)) { IsDepthwise = true }],
        [new ConvolutionSizes(2, 16, 16, new(7, 7, 3, 1, 1, 1), new(9, 9, 3, 1, 1, 1)) { IsDepthwise = true }],
        [new ConvolutionSizes(2, 48, 48, new(12, 6, 3, 2, 1, 1), new(10, 5, 3, 2, 1, 1)) { IsDepthwise = true }],
        [new ConvolutionSizes(2, 16, 16, new(2, 1, 3, 2, 1, 1), new(1, 1, 3, 1, 1, 1)) { IsDepthwise = true }],
        [new ConvolutionSizes(2, 16, 16, new(1, 1, 3, 1, 1, 1), new(1, 1, 3, 1, 1, 1)) { IsDepthwise = true }],
        // Read where they lie: pointwise with whole tiles, with tiles that start earlier, and with narrow ones; blocks that end within a sample.
        [new ConvolutionSizes(3, 64, 48, new(9, 9, 1, 1, 1, 0), new(7, 7, 1, 1, 1, 0))],
        [new ConvolutionSizes(2, 50, 32, new(16, 16, 1, 1, 1, 0), new(9, 9, 1, 1, 1, 0))],
        [new ConvolutionSizes(2, 21, 17, new(6, 6, 1, 1, 1, 0), new(5, 5, 1, 1, 1, 0))],
        [new ConvolutionSizes(3, 16, 40, new(11, 11, 3, 1, 1, 1), new(9, 9, 3, 1, 1, 1))],
        // Fewer elements in a window than filters.
        [new ConvolutionSizes(2, 1, 32, new(15, 15, 3, 1, 1, 1), new(15, 15, 3, 1, 1, 1))],
        [new ConvolutionSizes(2, 3, 16, new(16, 8, 3, 2, 1, 1), new(16, 8, 3, 2, 1, 1))],
        [new ConvolutionSizes(2, 2, 9, new(6, 6, 1, 1, 1, 0), new(6, 6, 1, 1, 1, 0))],
        [new ConvolutionSizes(2, 16, 16, new(12, 6, 5, 2, 1, 1), new(11, 11, 5, 1, 1, 2)) { IsDepthwise = true }],
        [new ConvolutionSizes(2, 48, 48, new(9, 9, 3, 1, 2, 2), new(3, 3, 4, 1, 2, 3)) { IsDepthwise = true }],
        [new ConvolutionSizes(1, 16, 16, new(9, 3, 2, 2, 1, -2), new(9, 3, 3, 2, 1, -1)) { IsDepthwise = true }],
        [new ConvolutionSizes(3, 21, 21, new(9, 5, 3, 1, 2, 0), new(9, 9, 1, 1, 1, 0)) { IsDepthwise = true }],
    ];

    [TestMethod]
    [DynamicData(nameof(Convolutions))]
    public void Compute_EqualsSums(ConvolutionSizes sizes)
    {
        var random = new Random(1);
        var kernel = WeightGradient.Create(sizes);
        // Twice: the second one must not see anything of the first.
        foreach (bool areRows in new[] { false, true })
        {
            float[] x = Values(random, sizes.InputLength), dy = Values(random, sizes.OutputLength);
            kernel.Begin();
            for (int part = 0; part < 2; part++) kernel.Add(areRows ? Rows(x, sizes.Samples, sizes.Channels) : x, areRows, areRows ? Rows(dy, sizes.Samples, sizes.Filters) : dy, areRows);
            kernel.End();
            double[] expected = [.. Sums(sizes, x, dy).Select(s => 2 * s)];
            // Each sum of n products of numbers up to 1 is rounded n times.
            double count = 2.0 * sizes.Samples * sizes.Rows.Positions * sizes.Columns.Positions, tolerance = 6e-8 * count * (Math.Sqrt(count) + 1);
            for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], kernel.Result[i], tolerance);
        }
    }

    /// <summary>Planes with their channels last.</summary>
    private static float[] Rows(float[] planes, int samples, int channels)
    {
        int positions = planes.Length / samples / channels;
        return [.. Enumerable.Range(0, planes.Length).Select(i => planes[(((i / channels / positions * channels) + (i % channels)) * positions) + (i / channels % positions)])];
    }

    private static float[] Values(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2) - 1)];

    private static double[] Sums(ConvolutionSizes z, float[] x, float[] dy)
    {
        var sums = new double[z.WeightLength];
        var (rows, columns) = (z.Rows, z.Columns);
        for (int n = 0; n < z.Samples; n++)
            for (int m = 0; m < z.Filters; m++)
                for (int p = 0; p < rows.Positions * columns.Positions; p++)
                    for (int w = 0; w < z.WeightLength / z.Filters; w++)
                    {
                        int c = z.IsDepthwise ? m : w / (rows.Kernel * columns.Kernel), ky = w / columns.Kernel % rows.Kernel, kx = w % columns.Kernel;
                        int y = (p / columns.Positions * rows.Stride) + (ky * rows.Dilation) - rows.Pad, at = (p % columns.Positions * columns.Stride) + (kx * columns.Dilation) - columns.Pad;
                        if (y < 0 || at < 0 || y >= rows.Input || at >= columns.Input) continue;
                        double d = dy[(((n * z.Filters) + m) * rows.Positions * columns.Positions) + p];
                        sums[(m * (z.WeightLength / z.Filters)) + w] += d * x[(((((n * z.Channels) + c) * rows.Input) + y) * columns.Input) + at];
                    }

        return sums;
    }
}
