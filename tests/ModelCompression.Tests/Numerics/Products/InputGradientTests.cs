using ModelCompression.Numerics.Products;

namespace ModelCompression.Tests.Numerics.Products;

[TestClass]
public sealed class InputGradientTests
{
    public static IEnumerable<object[]> Convolutions =>
    [
        // Whole tiles and tiles with pixels too many; vectors of sixteen and of eight.
        [new ConvolutionSizes(3, 64, 48, new(4, 4, 1, 1, 1, 0), new(3, 3, 1, 1, 1, 0))],
        [new ConvolutionSizes(1, 16, 5, new(5, 5, 1, 1, 1, 0), new(5, 5, 1, 1, 1, 0))],
        [new ConvolutionSizes(2, 48, 32, new(2, 2, 1, 1, 1, 0), new(1, 1, 1, 1, 1, 0))],
        // Usual, strided, dilated, padded windows; pixels at the beginning and end that no window meets.
        [new ConvolutionSizes(2, 32, 32, new(7, 7, 3, 1, 1, 1), new(9, 9, 3, 1, 1, 1)) { IsDepthwise = true }],
        [new ConvolutionSizes(2, 16, 16, new(12, 6, 3, 2, 1, 1), new(10, 5, 3, 2, 1, 1)) { IsDepthwise = true }],
        [new ConvolutionSizes(2, 16, 16, new(2, 1, 3, 2, 1, 1), new(2, 1, 3, 2, 1, 1)) { IsDepthwise = true }],
        [new ConvolutionSizes(1, 16, 16, new(12, 6, 3, 2, 1, 1), new(11, 6, 3, 2, 1, 1)) { IsDepthwise = true }],
        [new ConvolutionSizes(1, 16, 16, new(8, 8, 3, 1, 1, 1), new(10, 5, 3, 2, 1, 1)) { IsDepthwise = true }],
        [new ConvolutionSizes(1, 16, 16, new(2, 2, 3, 1, 1, 1), new(1, 1, 3, 1, 1, 1)) { IsDepthwise = true }],
        [new ConvolutionSizes(2, 16, 16, new(12, 6, 5, 2, 1, 1), new(11, 11, 5, 1, 1, 2)) { IsDepthwise = true }],
        [new ConvolutionSizes(2, 48, 48, new(9, 9, 3, 1, 2, 2), new(3, 3, 4, 1, 2, 3)) { IsDepthwise = true }],
        [new ConvolutionSizes(1, 16, 16, new(9, 3, 2, 2, 1, -2), new(9, 3, 3, 2, 1, -1)) { IsDepthwise = true }],
        [new ConvolutionSizes(1, 16, 16, new(9, 7, 3, 1, 1, 0), new(9, 5, 7, 1, 1, 1)) { IsDepthwise = true }],
    ];

    [TestMethod]
    [DynamicData(nameof(Convolutions))]
    public void Compute_EqualsSums(ConvolutionSizes sizes)
    {
        Assert.IsTrue(InputGradient.Serves(sizes));
        var random = new Random(1);
        float[] weight = Values(random, sizes.WeightLength), x = Values(random, sizes.InputLength), dy = Values(random, sizes.OutputLength);
        var kernel = InputGradient.Create(sizes, weight);
        double[] sums = Sums(sizes, weight, dy);
        foreach (var limits in new ActivationLimits[] { ActivationLimits.None, new(0, float.NaN), new(-0.5f, 0.25f) })
        {
            var dx = new float[x.Length];
            Array.Fill(dx, float.NaN);
            kernel.Compute(dy, x, limits, dx);
            var masked = Array.ConvertAll(sums, s => (float)s);
            InputGradient.Mask(masked, x, limits);
            Assert.AreEqual(limits == ActivationLimits.None, !masked.Where((m, i) => m == 0 && sums[i] != 0).Any());
            // Sums of up to 49 products of numbers up to 1.
            for (int i = 0; i < dx.Length; i++) Assert.AreEqual(masked[i], dx[i], 49 * 6e-8 * 8);
        }
    }

    private static float[] Values(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2) - 1)];

    private static double[] Sums(ConvolutionSizes z, float[] weight, float[] dy)
    {
        var sums = new double[z.InputLength];
        var (rows, columns) = (z.Rows, z.Columns);
        int each = z.WeightLength / z.Filters;
        for (int i = 0; i < dy.Length; i++)
            for (int w = 0; w < each; w++)
            {
                int m = i % z.Filters, p = i / z.Filters, n = p / columns.Positions / rows.Positions;
                int c = z.IsDepthwise ? m : w / (rows.Kernel * columns.Kernel), ky = w / columns.Kernel % rows.Kernel, kx = w % columns.Kernel;
                int y = (p / columns.Positions % rows.Positions * rows.Stride) + (ky * rows.Dilation) - rows.Pad, at = (p % columns.Positions * columns.Stride) + (kx * columns.Dilation) - columns.Pad;
                if (y >= 0 && at >= 0 && y < rows.Input && at < columns.Input) sums[(((((n * rows.Input) + y) * columns.Input) + at) * z.Channels) + c] += (double)dy[i] * weight[(m * each) + w];
            }

        return sums;
    }
}
